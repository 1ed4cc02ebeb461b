// Rate limits and mirrors through a real data plane.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Backend_Kind } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;

describe('rules with limits and mirrors', () => {
  let mesh: TestMesh;
  const copies: { host: string | undefined; method: string | undefined; body: string }[] = [];
  let onCopy: () => void = () => undefined;
  const shadow = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      copies.push({ host: request.headers.host, method: request.method, body });
      response.writeHead(500);
      response.end('ignored');
      onCopy();
    });
  });
  const nextCopy = (): Promise<void> => new Promise((resolve) => (onCopy = resolve));

  before(async () => {
    mesh = await startTestMesh();
    shadow.listen(0, '127.0.0.1');
    await once(shadow, 'listening');
    mesh.addWorkload(2, { handler: (request, response) => request.resume().on('end', () => response.end('real')) });
    const mirror = { backend: 'shadow', numerator: 100, denominator: 100 };
    mesh.configure({
      backends: {
        shadow: {
          hostname: 'shadow.example',
          kind: Backend_Kind.STATIC,
          endpoints: [{ address: '127.0.0.1', port: (shadow.address() as AddressInfo).port }],
        },
      },
      policies: {
        slow: { body: { case: 'localRateLimit', value: { maxTokens: 1, interval: { seconds: 3600n, nanos: 0 } } } },
      },
      routeTables: {
        [`${frontendKey}:80`]: {
          routes: [
            {
              name: 'limited',
              matches: [{ path: { m: { case: 'exact', value: '/limited' } } }],
              policies: [{ policy: 'slow', failClosedIfMissing: true }],
              action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } },
            },
            {
              name: 'mirrored',
              mirrors: [mirror, { ...mirror, numerator: 0 }, { ...mirror, backend: 'unknown' }],
              action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } },
            },
          ],
        },
      },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: `${frontendKey}:80` }],
        },
      },
    });
  });
  after(() => {
    mesh.close();
    shadow.closeAllConnections();
    shadow.close();
  });

  test('the request over the limit is 429, also after an unrelated change of configuration', async () => {
    assert.equal((await mesh.get('/limited')).status, 200);
    const limited = await mesh.get('/limited');
    assert.deepEqual([limited.status, limited.body], [429, 'local_rate_limited']);
    assert.match(mesh.accessLines.at(-1) ?? '', / 429 RL local_rate_limited /);
    mesh.configure({ proxy: { trustDomain: 'cluster.local' } });
    assert.equal((await mesh.get('/limited')).status, 429);
  });

  test('a mirror gets a marked copy with the body; its answer is not seen', async () => {
    const copied = nextCopy();
    const response = await mesh.get('/', { method: 'POST', body: 'x'.repeat(100_000) });
    assert.deepEqual([response.status, response.body], [200, 'real']);
    await copied;
    assert.equal(copies.length, 1);
    assert.deepEqual([copies[0]?.host, copies[0]?.method, copies[0]?.body.length], ['reviews-shadow', 'POST', 100_000]);
  });

  test('a body that is too long is not mirrored, and reaches its backend', async () => {
    const response = await mesh.get('/', { method: 'POST', body: 'x'.repeat(1_500_000) });
    assert.equal(response.status, 200);
    const copied = nextCopy();
    await mesh.get('/');
    await copied;
    assert.deepEqual(
      copies.map(({ method }) => method),
      ['POST', 'GET'],
    );
  });
});
