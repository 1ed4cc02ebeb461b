import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createRestClient } from './rest-client.ts';

test('a token of a service account is asked for with audience and time; an answer without one is an error', async () => {
  const asked: { readonly path: string; readonly body: unknown }[] = [];
  let answer: object = {};
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += String(chunk)));
    request.on('end', () => {
      asked.push({ path: request.url ?? '', body: JSON.parse(text) });
      response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createRestClient(
    { server: url, credentials: async () => ({ options: {}, headers: {} }) },
    { userAgent: 't' },
  );
  const request = { namespace: 'istio-system', serviceAccount: 'reader', audiences: ['flows'], seconds: 3600 };
  answer = { status: { token: 'abc', expirationTimestamp: '2026-01-01T00:00:00Z' } };
  assert.deepEqual(await client.requestToken(request), { token: 'abc', endsAtMs: Date.UTC(2026, 0, 1) });
  assert.equal(asked[0]?.path, '/api/v1/namespaces/istio-system/serviceaccounts/reader/token');
  assert.deepEqual(asked[0].body, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: ['flows'], expirationSeconds: 3600 },
  });
  for (const broken of [{}, { status: {} }, { status: { token: 'abc', expirationTimestamp: 'soon' } }]) {
    answer = broken;
    await assert.rejects(client.requestToken(request), { code: 'ERR_KUBE_INVALID' });
  }
  client.close();
  server.close();
  server.closeAllConnections();
});
