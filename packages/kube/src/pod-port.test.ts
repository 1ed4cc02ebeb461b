import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { askPod } from './pod-port.ts';

const greeting = (channel: number): Buffer => Buffer.from([channel, 0x98, 0x3a]);

/** An API server whose pods all have the web server of this test behind every port; port 1 answers on the error channel. */
async function startApi(): Promise<{ readonly url: string; readonly seen: string[]; readonly close: () => void }> {
  const seen: string[] = [];
  const pod = createServer((request, response) =>
    response.end(`${request.method} ${request.url} ${'x'.repeat(100_000)}`),
  );
  pod.listen(0, '127.0.0.1');
  await once(pod, 'listening');
  const api = createServer((_request, response) => response.writeHead(403).end());
  const sockets = new WebSocketServer({ noServer: true });
  api.on('upgrade', (request, socket, head) => {
    seen.push(request.url ?? '');
    if (request.url?.includes('/pods/gone/') === true) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.send(greeting(0));
      client.send(greeting(1));
      if (request.url?.endsWith('ports=1') === true) {
        client.send(Buffer.concat([Buffer.of(1), Buffer.from('nobody listens')]));
        return;
      }
      const target = connect((pod.address() as AddressInfo).port, '127.0.0.1');
      target.on('data', (chunk: Buffer) => client.send(Buffer.concat([Buffer.of(0), chunk])));
      target.on('end', () => client.close());
      target.on('error', () => client.close());
      client.on('message', (data: Buffer) => target.write(data.subarray(1)));
      client.on('close', () => target.destroy());
    });
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  return {
    url: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
    seen,
    close: () => {
      api.close();
      api.closeAllConnections();
      pod.close();
      pod.closeAllConnections();
    },
  };
}

test('a port of a pod is asked through the API server, whatever the size of the answer', async () => {
  const api = await startApi();
  try {
    const access = { server: api.url, credentials: async () => ({ options: {}, headers: {} }) };
    const answer = await askPod(access, { namespace: 'a', name: 'b', port: 15_000, path: '/config_dump' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, 'GET /config_dump '.length + 100_000);
    assert.deepEqual(api.seen, ['/api/v1/namespaces/a/pods/b/portforward?ports=15000']);
  } finally {
    api.close();
  }
});

test('a pod that is gone, a closed port and an answer that is too long are told apart', async () => {
  const api = await startApi();
  try {
    const access = { server: api.url, credentials: async () => ({ options: {}, headers: {} }) };
    await assert.rejects(askPod(access, { namespace: 'a', name: 'gone', port: 1, path: '/' }), {
      code: 'ERR_KUBE_NOT_FOUND',
    });
    await assert.rejects(askPod(access, { namespace: 'a', name: 'b', port: 1, path: '/' }), /nobody listens/);
    await assert.rejects(askPod(access, { namespace: 'a', name: 'b', port: 2, path: '/', maxBytes: 10 }), {
      code: 'ERR_KUBE_UNREACHABLE',
    });
  } finally {
    api.close();
  }
});
