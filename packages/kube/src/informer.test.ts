import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { KubeClient } from './client.ts';
import { connectKube } from './connection.ts';
import { ObjectCache, startInformer, type InformerEvent } from './informer.ts';
import { claim } from './leader-election.ts';

const object = (name: string, resourceVersion: string, uid = name) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'shop', uid, resourceVersion },
});
const names = (events: readonly InformerEvent[]): string[] =>
  events.map((event) => `${event.type} ${event.object.metadata?.name}`);

test('a list deletes what it does not hold and repeats nothing that is known', () => {
  const cache = new ObjectCache();
  assert.deepEqual(names(cache.replace([object('a', '1'), object('b', '2')])), ['added a', 'added b']);
  assert.deepEqual(names(cache.replace([object('b', '2'), object('c', '3')])), ['deleted a', 'added c']);
});

test('an object with a new UID is a deletion and an addition', () => {
  const cache = new ObjectCache();
  cache.put(object('a', '1', 'one'));
  assert.deepEqual(names(cache.put(object('a', '2', 'two'))), ['deleted a', 'added a']);
});

test('a lease is claimed when it is free or too old, never while it is held', () => {
  const held = {
    metadata: {},
    spec: {
      holderIdentity: 'other',
      leaseDurationSeconds: 15,
      renewTime: new Date(0).toISOString(),
      leaseTransitions: 3,
    },
  };
  assert.equal(claim(held, 'me', 15_000, 10_000), undefined);
  assert.equal(claim(held, 'me', 15_000, 16_000)?.leaseTransitions, 4);
  assert.equal(claim(undefined, 'me', 15_000, 0)?.leaseTransitions, 0);
});

/** An API server that answers lists from a script and keeps watches open. */
async function fakeApi(lists: (() => { readonly status: number; readonly body: unknown })[]) {
  const watches: ServerResponse[] = [];
  const paths: string[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    if (request.url?.includes('watch=true') === true) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      watches.push(response);
      waiting.splice(0).forEach((wake) => wake());
      return;
    }
    const { status, body } = (lists.length > 1 ? lists.shift() : lists[0])?.() ?? { status: 500, body: {} };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const directory = mkdtempSync(join(tmpdir(), 'ambit-kube-'));
  const file = join(directory, 'kubeconfig');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(
    file,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: url } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  const connection = connectKube({ kind: 'file', file });
  return {
    client: new KubeClient(connection),
    paths,
    watches,
    watchCount: async (count: number) => {
      while (watches.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    close: () => {
      connection.close();
      server.closeAllConnections();
      server.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const kind = { apiVersion: 'v1', kind: 'ConfigMap' };

test(
  'an informer goes on from its revision when a watch ends, and lists again when that is too old',
  { timeout: 10_000 },
  async () => {
    const list =
      (revision: string, ...items: object[]) =>
      () => ({ status: 200, body: { items, metadata: { resourceVersion: revision } } });
    const api = await fakeApi([list('10', object('a', '5')), list('30', object('b', '25'))]);
    const events: InformerEvent[] = [];
    const informer = startInformer({
      client: api.client,
      kind,
      onEvent: (event) => events.push(event),
      log: silentLogger,
    });
    try {
      await informer.synced;
      await api.watchCount(1);
      api.watches[0]?.end(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } })}\n`);
      await api.watchCount(2);
      assert.match(api.paths.at(-1) ?? '', /resourceVersion=20/);
      api.watches[1]?.end(`${JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old' } })}\n`);
      await api.watchCount(3);
      assert.match(api.paths.at(-1) ?? '', /resourceVersion=30/);
      assert.deepEqual(names(events), ['added a', 'deleted a', 'added b']);
    } finally {
      informer.close();
      api.close();
    }
  },
);

test('a list that fails deletes nothing', { timeout: 10_000 }, async () => {
  const api = await fakeApi([
    () => ({ status: 200, body: { items: [object('a', '5')], metadata: { resourceVersion: '10' } } }),
    () => ({ status: 500, body: { message: 'broken' } }),
    () => ({ status: 200, body: { items: [object('a', '5')], metadata: { resourceVersion: '11' } } }),
  ]);
  const events: InformerEvent[] = [];
  const informer = startInformer({
    client: api.client,
    kind,
    onEvent: (event) => events.push(event),
    log: silentLogger,
  });
  try {
    await api.watchCount(1);
    api.watches[0]?.end(`${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`);
    await api.watchCount(2);
    assert.deepEqual(names(events), ['added a']);
  } finally {
    informer.close();
    api.close();
  }
});
