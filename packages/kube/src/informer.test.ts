import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff } from '@ambit/runtime/backoff';
import { silentLogger } from '@ambit/runtime/log';
import { testNamespace } from '@ambit/resources/testing';
import { type Informer, type InformerChange, KubeError, startInformer, startLeaderElection } from './index.ts';
import { type MemoryCluster, memoryCluster } from './testing/index.ts';

function follow(cluster: MemoryCluster): { changes: string[]; informer: Informer } {
  const changes: string[] = [];
  const note = (change: InformerChange): string =>
    change.type === 'delete' ? `-${change.name}` : `+${change.object.metadata?.name ?? ''}`;
  const informer = startInformer({
    client: cluster,
    kind: 'Namespace',
    log: silentLogger,
    backoff: createBackoff({ initialMs: 1, maxMs: 2 }),
    onChanges: (batch) => void changes.push(...batch.map(note)),
  });
  return { changes, informer };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 3_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'in time');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('an informer tells what is there, what comes and what goes', async () => {
  const cluster = memoryCluster();
  cluster.put(testNamespace('a'));
  const { changes, informer } = follow(cluster);
  await informer.synced;
  assert.deepEqual(changes, ['+a']);
  cluster.put(testNamespace('b'));
  cluster.remove({ kind: 'Namespace', name: 'a' });
  await until(() => changes.length === 3);
  assert.deepEqual(changes, ['+a', '+b', '-a']);
  assert.deepEqual(
    [...informer.list()].map((o) => o.metadata?.name),
    ['b'],
  );
  informer.close();
});

test('a kind that we may not see holds nobody up when the work goes on without it', async () => {
  const cluster = memoryCluster();
  const forbidden = new KubeError('ERR_KUBE_FORBIDDEN', 'no role');
  const client = { ...cluster, list: () => Promise.reject(forbidden) };
  const informer = startInformer({
    client,
    kind: 'Namespace',
    isOptional: true,
    log: silentLogger,
    onChanges: () => assert.fail('nothing can change'),
  });
  await informer.synced;
  assert.deepEqual([...informer.list()], []);
  informer.close();
});

test('a server that goes away deletes nothing, and what happened meanwhile is told afterwards', async () => {
  const cluster = memoryCluster();
  cluster.put(testNamespace('a'));
  cluster.put(testNamespace('b'));
  const { changes, informer } = follow(cluster);
  await informer.synced;
  cluster.setDown(true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(changes, ['+a', '+b']);
  cluster.remove({ kind: 'Namespace', name: 'b' });
  cluster.put(testNamespace('c'));
  cluster.compact();
  cluster.setDown(false);
  await until(() => changes.length === 4);
  assert.deepEqual(
    changes.slice(2).toSorted((x, y) => (x < y ? -1 : 1)),
    ['+c', '-b'],
  );
  informer.close();
});

test('only one candidate leads, and another one takes over when it leaves', async () => {
  const cluster = memoryCluster();
  const terms: string[] = [];
  const stand = (identity: string) =>
    startLeaderElection({
      client: cluster,
      namespace: 'istio-system',
      name: 'lease',
      identity,
      log: silentLogger,
      leaseMs: 1_000,
      renewMs: 5,
      onLead(signal) {
        terms.push(identity);
        signal.addEventListener('abort', () => terms.push(`${identity} ends`));
      },
    });
  const first = stand('one');
  await until(() => first.isLeader);
  const second = stand('two');
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(second.isLeader, false);
  await first.close();
  await until(() => second.isLeader);
  assert.deepEqual(terms, ['one', 'one ends', 'two']);
  await second.close();
});
