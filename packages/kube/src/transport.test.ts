import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createTransport } from './transport.ts';

test('a request that meets a closing pooled connection goes out once more, a creation does not', async () => {
  let requests = 0;
  // Every second request on a connection finds it closed without an answer.
  const server = createServer((request, response) => {
    const seen = (request.socket as { seen?: number }).seen ?? 0;
    (request.socket as { seen?: number }).seen = seen + 1;
    requests += 1;
    if (seen > 0) request.socket.resetAndDestroy();
    else response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transport = createTransport({ server: url, credentials: async () => ({ options: {}, headers: {} }) }, 'test');
  const read = async (method: 'GET' | 'POST'): Promise<number | undefined> => {
    const response = await transport.send({ method, path: '/' });
    response.resume();
    await once(response, 'end');
    // The connection is back in the pool after the turn in which the answer ended.
    await new Promise(setImmediate);
    return response.statusCode;
  };
  assert.equal(await read('GET'), 200);
  assert.equal(await read('GET'), 200);
  assert.equal(requests, 3);
  assert.equal(await read('GET'), 200);
  await assert.rejects(read('POST'), { code: 'ERR_KUBE_UNREACHABLE' });
  transport.close();
  server.close();
  server.closeAllConnections();
});

test('a server that takes requests and answers none fails them after their time', async () => {
  const server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transport = createTransport({ server: url, credentials: async () => ({ options: {}, headers: {} }) }, 'test');
  await assert.rejects(transport.send({ method: 'GET', path: '/api/v1/pods?watch=true', timeoutMs: 20 }), {
    code: 'ERR_KUBE_UNREACHABLE',
    message: /no answer within 20 ms/,
  });
  transport.close();
  server.close();
  server.closeAllConnections();
});
