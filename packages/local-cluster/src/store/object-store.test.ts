// The store: one revision counter, changes in order, state at old revisions, everything back after a restart.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from './database.ts';
import type { Change } from './database.ts';
import type { KubeObject } from './kube-object.ts';
import { ObjectStore } from './object-store.ts';

const object = (name: string, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'a', labels },
});

const names = (objects: readonly KubeObject[] | undefined): (string | undefined)[] | undefined =>
  objects?.map((item) => item.metadata.name);

test('every write of any kind gets the next revision', () => {
  const store = new ObjectStore(new Database(':memory:'));
  const first = store.put('configmaps', object('x'));
  const second = store.put('secrets', object('x'));
  assert.deepEqual([first.metadata.resourceVersion, second.metadata.resourceVersion], ['1', '2']);
  store.close();
});

test('listeners see changes in order with the state before', () => {
  const store = new ObjectStore(new Database(':memory:'));
  const seen: Change[] = [];
  using _listener = store.listen('configmaps', (change) => seen.push(change));
  store.put('configmaps', object('x'));
  store.put('configmaps', object('x', { a: 'b' }));
  store.remove('configmaps', object('x', { a: 'b' }));
  assert.deepEqual(
    seen.map((change) => [change.type, change.revision, change.previous?.metadata.resourceVersion]),
    [
      ['ADDED', 1, undefined],
      ['MODIFIED', 2, '1'],
      ['DELETED', 3, '2'],
    ],
  );
  store.close();
});

test('an old revision can be listed until it is compacted', () => {
  const store = new ObjectStore(new Database(':memory:'));
  for (const name of ['b', 'a', 'c']) store.put('configmaps', object(name));
  store.remove('configmaps', object('a'));
  assert.deepEqual(names(store.list('configmaps')), ['b', 'c']);
  assert.deepEqual(names(store.listAt('configmaps', 3)), ['a', 'b', 'c']);
  assert.deepEqual(names(store.listAt('configmaps', 1)), ['b']);
  store.compact(3);
  assert.equal(store.listAt('configmaps', 1), undefined);
  assert.equal(store.changesSince('configmaps', 1), undefined);
  assert.equal(store.changesSince('configmaps', 3)?.length, 1);
  store.close();
});

test('a store opened again has objects, revision and log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-store-'));
  try {
    const file = join(folder, 'cluster.db');
    const first = new ObjectStore(new Database(file));
    first.put('configmaps', object('x'));
    first.put('configmaps', object('y'));
    first.remove('configmaps', object('y'));
    // Not closed: what was answered must be there all the same.
    const second = new ObjectStore(new Database(file));
    assert.equal(second.revision, 3);
    assert.deepEqual(names(second.list('configmaps')), ['x']);
    assert.equal(second.changesSince('configmaps', 1)?.length, 2);
    second.close();
    first.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
