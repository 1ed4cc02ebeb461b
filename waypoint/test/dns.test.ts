// Backends with names through a real data plane, with a name server that the test plays.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Backend_Kind } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;

test('names are resolved before the first try; an unknown name is no endpoint', async () => {
  const app = createServer((_request, response) => response.end('outside'));
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  const asked: string[] = [];
  const mesh = await startTestMesh({
    resolveName: async (name) => {
      asked.push(name);
      if (name !== 'api.example.com') throw Object.assign(new Error('unknown'), { code: 'ENOTFOUND' });
      return [{ address: '127.0.0.1', ttl: 60 }];
    },
  });
  try {
    const { port } = app.address() as AddressInfo;
    const use = (hostname: string, kind: Backend_Kind, endpoints: { address: string; port: number }[] = []) =>
      mesh.configure({
        frontends: {
          [frontendKey]: {
            hostname: HOSTNAME,
            namespace: 'apps',
            ports: [{ port: 80, protocol: 1, backend: 'ext' }],
          },
        },
        backends: { ext: { hostname, kind, port, protocol: 1, endpoints } },
      });
    use('api.example.com', Backend_Kind.DNS);
    assert.equal((await mesh.get('/')).body, 'outside');
    use('api.example.com', Backend_Kind.DNS_ROUND_ROBIN);
    assert.equal((await mesh.get('/')).body, 'outside');
    use('else', Backend_Kind.DNS, [{ address: 'api.example.com', port }]);
    assert.equal((await mesh.get('/')).body, 'outside');
    assert.deepEqual(asked, ['api.example.com']);
    use('no.example.com', Backend_Kind.DNS);
    const none = await mesh.get('/');
    assert.deepEqual([none.status, none.body], [503, 'no healthy upstream']);
    use('*.example.com', Backend_Kind.DNS);
    assert.equal((await mesh.get('/')).status, 503);
  } finally {
    mesh.close();
    app.closeAllConnections();
    app.close();
  }
});

test('a wildcard host answers for the names below it, and tells when one cannot be resolved', async () => {
  const asked: string[] = [];
  const mesh = await startTestMesh({
    resolveName: async (name) => {
      asked.push(name);
      if (name === 'inside.example.com') return [{ address: '127.0.0.1', ttl: 60 }];
      throw Object.assign(new Error('unknown'), { code: 'ENOTFOUND' });
    },
  });
  try {
    const hostname = '*.example.com';
    mesh.configure({
      frontends: {
        'apps/*.example.com': {
          hostname,
          namespace: 'apps',
          wildcardHost: true,
          ports: [{ port: 80, protocol: 1, backend: 'wild' }],
        },
      },
      backends: { wild: { hostname, kind: Backend_Kind.DYNAMIC_DNS, port: 80, protocol: 1 } },
    });
    const get = async (host: string) => {
      const { status, body } = await mesh.get('/', { authority: 'any.example.com:80', headers: { host } });
      return [status, body];
    };
    assert.deepEqual(await get('no.example.com'), [503, 'DNS resolution failure']);
    assert.match(mesh.accessLines.at(-1) ?? '', / 503 DF dns_resolution_failure /);
    assert.deepEqual(await get('No.Example.com:80'), [503, 'DNS resolution failure']);
    assert.deepEqual(asked, ['no.example.com'], 'one question for one name');
    assert.deepEqual(await get('inside.example.com'), [503, 'DNS resolution failure'], 'never this machine itself');
    assert.deepEqual(await get('example.com'), [404, '']);
    assert.deepEqual(await get('no.example.com.evil.org'), [404, '']);
    assert.deepEqual(await get('127.0.0.1'), [404, '']);
  } finally {
    mesh.close();
  }
});
