// The server as its callers see it: the in-process API, and that HTTP and restarts agree with it.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { KubeObject } from '../store/kube-object.ts';
import { startControllers } from '../controllers/start-controllers.ts';
import { createApiServer } from './api-server.ts';
import type { ApiServer } from './api-server.ts';
import { isConflict, isNotFound } from './status.ts';

async function withServer(
  body: (server: ApiServer, stateDir: string) => Promise<void>,
  now: () => number = Date.now,
): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-api-'));
  const server = await createApiServer({ stateDir, log: silentLogger, now });
  try {
    await body(server, stateDir);
  } finally {
    await server.close();
    rmSync(stateDir, { recursive: true });
  }
}

const pod = (name: string): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i:1' }] },
  }) as KubeObject;

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly servedBy: X509Certificate | undefined;
}

async function ask(server: ApiServer, port: number, path: string, token?: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  request({ host: '127.0.0.1', port, path, ca: server.caPem, headers, agent: false }, (response) => {
    const { socket } = response as unknown as { socket: { getPeerX509Certificate(): X509Certificate | undefined } };
    const servedBy = socket.getPeerX509Certificate();
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () =>
      resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString(), servedBy }),
    );
  })
    .on('error', reject)
    .end();
  return promise;
}

test('a watch shows the state first and then every change that concerns it', async () => {
  await withServer(async ({ objects }) => {
    await objects.create('pods', pod('a'));
    const seen: string[] = [];
    using _watch = objects.watch('pods', { fieldSelector: 'spec.nodeName=n1', labelSelector: '!hidden' }, (event) => {
      seen.push(`${event.type} ${event.object.metadata.name ?? ''}`);
    });
    await objects.create('pods', pod('b'));
    await objects.patch('pods', 'b', 'default', { metadata: { labels: { hidden: 'yes' } } });
    await objects.delete('pods', 'a', 'default', { gracePeriodSeconds: 0 });
    await new Promise(setImmediate);
    assert.deepEqual(seen, ['ADDED a', 'ADDED b', 'DELETED b', 'DELETED a']);
  });
});

test('status is written apart and a stale revision is a conflict', async () => {
  await withServer(async ({ objects }) => {
    const made = await objects.create('pods', pod('a'));
    const status = { ...made, status: { phase: 'Running' } } as KubeObject;
    await objects.updateStatus('pods', status);
    assert.equal(
      (objects.get('pods', 'a', 'default') as { status?: { phase?: string } } | undefined)?.status?.phase,
      'Running',
    );
    await assert.rejects(
      objects.updateStatus('pods', { ...status, status: { phase: 'Failed' } } as KubeObject),
      isConflict,
    );
    await assert.rejects(objects.delete('pods', 'none', 'default'), isNotFound);
  });
});

test('an apply may write the core group as /v1', async () => {
  await withServer(async ({ objects }) => {
    await objects.create('pods', pod('a'));
    const applied = { apiVersion: '/v1', kind: 'Pod', metadata: { name: 'a', labels: { by: 'apply' } } };
    const after = await objects.patch('pods', 'a', 'default', applied, { type: 'apply', force: true });
    assert.deepEqual([after.apiVersion, after.metadata.labels], ['v1', { by: 'apply' }]);
  });
});

test('a pod on a node goes in two steps, the last with grace 0', async () => {
  await withServer(async ({ objects }) => {
    await objects.create('pods', pod('a'));
    const marked = await objects.delete('pods', 'a', 'default');
    assert.equal(marked.metadata.deletionGracePeriodSeconds, 30);
    assert.ok(objects.get('pods', 'a', 'default') !== undefined);
    await objects.delete('pods', 'a', 'default', { gracePeriodSeconds: 0 });
    assert.equal(objects.get('pods', 'a', 'default'), undefined);
  });
});

test('a namespace waits for its finalizer', async () => {
  await withServer(async ({ objects }) => {
    await objects.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    await objects.delete('namespaces', 'shop');
    assert.ok(objects.get('namespaces', 'shop') !== undefined);
    await objects.finalizeNamespace('shop', 'kubernetes');
    assert.equal(objects.get('namespaces', 'shop'), undefined);
  });
});

test('a token is verified for its audience and dies with its pod', async () => {
  await withServer(async (server) => {
    const { objects } = server;
    await objects.create('serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'web', namespace: 'default' },
    });
    const { uid = '' } = (await objects.create('pods', pod('a'))).metadata;
    const { token } = await objects.createToken({
      namespace: 'default',
      serviceAccount: 'web',
      pod: { name: 'a', uid },
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const refused = await ask(server, port, '/api/v1/namespaces/default/pods', token);
    assert.equal(refused.status, 403);
    assert.match(refused.body, /User \\"system:serviceaccount:default:web\\" cannot list resource/);
    assert.equal((await ask(server, port, '/api/v1/pods', 'wrong')).status, 401);
    assert.equal((await ask(server, port, '/healthz')).status, 200);
    assert.equal((await ask(server, port, '/api/v1/pods')).status, 403);
  });
});

test('a Secret for a token gets the token of its account, and the token dies with the Secret', async () => {
  let passedMs = 0;
  await withServer(
    async (server) => {
      const { objects } = server;
      const controllers = startControllers(objects, silentLogger, server.caPem);
      try {
        await objects.create('secrets', {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: {
            name: 'reader',
            namespace: 'default',
            annotations: { 'kubernetes.io/service-account.name': 'reader' },
          },
          type: 'kubernetes.io/service-account-token',
        } as KubeObject);
        await objects.create('serviceaccounts', {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'reader', namespace: 'default' },
        });
        const dataOf = (): Record<string, string> | undefined =>
          (objects.get('secrets', 'reader', 'default') as { data?: Record<string, string> } | undefined)?.data;
        while (dataOf()?.['token'] === undefined) await new Promise(setImmediate);
        const text = (key: string): string => Buffer.from(dataOf()?.[key] ?? '', 'base64').toString();
        assert.equal(text('ca.crt'), server.caPem);
        const token = text('token');
        const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
        assert.equal((await ask(server, port, '/api/v1/pods', token)).status, 403, 'known, and not allowed');
        await objects.delete('secrets', 'reader', 'default');
        // Verified tokens are kept for a moment.
        passedMs += 11_000;
        assert.equal((await ask(server, port, '/api/v1/pods', token)).status, 401);
      } finally {
        controllers.close();
      }
    },
    () => Date.now() + passedMs,
  );
});

test('the certificate names every address of the cluster and secrets are for the owner only', async () => {
  await withServer(async (server, stateDir) => {
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const { servedBy } = await ask(server, port, '/version');
    for (const name of ['localhost', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']) {
      assert.ok(servedBy?.checkHost(name) !== undefined, name);
    }
    assert.ok(servedBy?.checkIP('10.96.0.1') !== undefined);
    const file = join(stateDir, 'kubeconfig');
    await server.writeKubeconfig(file, `https://127.0.0.1:${port}`);
    for (const secret of [file, join(stateDir, 'cluster.db'), join(stateDir, 'pki/ca.key')])
      assert.equal(statSync(secret).mode & 0o077, 0);
  });
});

test('admission steps of the cluster see every write and may change it', async () => {
  await withServer(async (server) => {
    server.addAdmission(({ resource, operation, object }) =>
      resource === 'services' && operation === 'CREATE'
        ? ({
            ...object,
            spec: { ...(object as unknown as { spec: object }).spec, clusterIP: '10.96.0.9' },
          } as KubeObject)
        : object,
    );
    const made = await server.objects.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: 'default' },
      spec: { ports: [{ port: 80 }] },
    } as KubeObject);
    assert.equal((made as unknown as { spec: { clusterIP: string } }).spec.clusterIP, '10.96.0.9');
  });
});

test('a restart keeps objects, revision, tokens and the CA', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-api-'));
  try {
    const first = await createApiServer({ stateDir, log: silentLogger });
    await first.objects.create('pods', pod('a'));
    const { resourceVersion } = first.objects.list('pods');
    await first.close();
    const second = await createApiServer({ stateDir, log: silentLogger });
    assert.ok(second.objects.get('pods', 'a', 'default') !== undefined);
    assert.equal(second.objects.list('pods').resourceVersion, resourceVersion);
    assert.deepEqual([second.caPem, second.adminToken], [first.caPem, first.adminToken]);
    await second.close();
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});
