import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLogger } from '@ambit/runtime/log';
import { type KubeClient, type LeaderElection, startLeaderElection } from './index.ts';
import type { LeaderLockKind } from './leader-lock.ts';
import { type MemoryCluster, memoryCluster } from './testing/index.ts';

const ANNOTATION = 'control-plane.alpha.kubernetes.io/leader';

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await delay(1)) assert.ok(Date.now() < deadline, what);
}

/** A candidate that counts how often it looked at the lock. */
function candidate(
  cluster: MemoryCluster,
  kind: LeaderLockKind,
  identity: string,
  more: Partial<Parameters<typeof startLeaderElection>[0]> = {},
) {
  let looks = 0;
  const get: KubeClient['get'] = async (ref) => {
    looks += 1;
    return cluster.get(ref);
  };
  const election: LeaderElection = startLeaderElection({
    client: { ...cluster, get },
    namespace: 'istio-system',
    name: 'istio-duty',
    kind,
    key: 'default',
    identity,
    onLead: () => {},
    log: silentLogger,
    leaseMs: 60_000,
    renewMs: 2,
    ...more,
  });
  return { election, looks: () => looks };
}

const recordIn = (cluster: MemoryCluster): Record<string, unknown> => {
  const [map] = cluster.objects('ConfigMap');
  return JSON.parse(map?.metadata.annotations?.[ANNOTATION] ?? '{}') as Record<string, unknown>;
};

for (const kind of ['Lease', 'ConfigMap'] as const) {
  test(`with a ${kind} one leads, the other follows when it gives up`, async () => {
    const cluster = memoryCluster();
    const first = candidate(cluster, kind, 'one');
    await until('the first leads', () => first.election.isLeader);
    const second = candidate(cluster, kind, 'two');
    await until('the second looked several times', () => second.looks() > 5);
    assert.equal(second.election.isLeader, false);
    await first.election.close();
    await until('the second leads', () => second.election.isLeader);
    assert.equal(cluster.objects(kind).length, 1);
    await second.election.close();
  });
}

test('what upstream wrote into a ConfigMap holds while it is renewed, and ours is what upstream reads', async () => {
  const cluster = memoryCluster();
  const upstream = (renewTime: string, leaseDurationSeconds: number): void =>
    cluster.put({
      kind: 'ConfigMap',
      metadata: {
        namespace: 'istio-system',
        name: 'istio-duty',
        labels: { kept: 'yes' },
        annotations: {
          other: 'kept',
          [ANNOTATION]: JSON.stringify({
            holderIdentity: 'istiod-1',
            holderKey: 'default',
            leaseDurationSeconds,
            acquireTime: '2026-01-01T00:00:00Z',
            renewTime,
            leaderTransitions: 3,
          }),
        },
      },
      data: { kept: 'yes' },
    });
  upstream('2026-01-01T00:00:00Z', 3600);
  const ours = candidate(cluster, 'ConfigMap', 'ambit-1');
  await until('it looked several times', () => ours.looks() > 5);
  assert.equal(ours.election.isLeader, false);

  // Over at once: the holder releases it.
  upstream('2026-01-01T00:00:30Z', 0);
  await until('it leads', () => ours.election.isLeader);
  const { holderIdentity, holderKey, leaseDurationSeconds, leaderTransitions, renewTime } = recordIn(cluster);
  assert.deepEqual([holderIdentity, holderKey, leaseDurationSeconds, leaderTransitions], ['ambit-1', 'default', 60, 4]);
  assert.match(String(renewTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const [map] = cluster.objects('ConfigMap');
  assert.deepEqual(
    [map?.data, map?.metadata.labels, map?.metadata.annotations?.['other']],
    [{ kept: 'yes' }, { kept: 'yes' }, 'kept'],
  );
  await ours.election.close();
  assert.equal(recordIn(cluster)['holderIdentity'], '');
});

test('a ConfigMap whose annotation is no record, or that has none, is free', async () => {
  for (const annotations of [undefined, { [ANNOTATION]: '{"holderIdentity":' }, { [ANNOTATION]: '[]' }]) {
    const cluster = memoryCluster();
    cluster.put({
      kind: 'ConfigMap',
      metadata: { namespace: 'istio-system', name: 'istio-duty', ...(annotations && { annotations }) },
    });
    const { election } = candidate(cluster, 'ConfigMap', 'one');
    await until('it leads', () => election.isLeader);
    await election.close();
  }
});

for (const kind of ['Lease', 'ConfigMap'] as const) {
  test(`with a ${kind} who comes before the holder takes the lock, and leads when the holder has stopped`, async () => {
    const cluster = memoryCluster();
    const events: string[] = [];
    const onLead =
      (name: string) =>
      (signal: AbortSignal): void => {
        events.push(`${name} leads`);
        signal.addEventListener('abort', () => events.push(`${name} stops`));
      };
    const first = candidate(cluster, kind, 'one', { key: 'canary', onLead: onLead('one') });
    await until('the first leads', () => first.election.isLeader);
    let isDefault = false;
    const asked: string[] = [];
    const comesBefore = (holderKey: string): boolean => {
      asked.push(holderKey);
      return isDefault && holderKey !== 'stable';
    };
    const second = candidate(cluster, kind, 'two', {
      key: 'stable',
      comesBefore,
      noticeMs: 100,
      onLead: onLead('two'),
    });
    await until('the second looked several times', () => second.looks() > 5);
    assert.equal(second.election.isLeader, false);
    isDefault = true;
    await until('the second leads', () => second.election.isLeader);
    assert.deepEqual(events, ['one leads', 'one stops', 'two leads']);
    assert.deepEqual([...new Set(asked)], ['canary']);
    // The first one looks on and takes nothing back.
    const looks = first.looks();
    await until('the first looked several times', () => first.looks() > looks + 5);
    assert.equal(first.election.isLeader, false);
    await second.election.close();
    await until('the first leads again', () => first.election.isLeader);
    await first.election.close();
  });
}

test('the key stands where upstream has it in a Lease, and a lock without a key has none', async () => {
  const cluster = memoryCluster();
  const keyOf = (): string | undefined =>
    cluster.objects('Lease')[0]?.metadata.annotations?.['leader.istio.io/holder-key'];
  const first = candidate(cluster, 'Lease', 'one', { key: '^canary' });
  await until('it leads', () => first.election.isLeader);
  assert.equal(keyOf(), '^canary');
  await first.election.close();
  const second = candidate(cluster, 'Lease', 'two', { key: '' });
  await until('it leads', () => second.election.isLeader);
  assert.equal(keyOf(), undefined);
  await second.election.close();
});

test('a candidate that took a lock and does not lead yet gives it up when it is closed', async () => {
  const cluster = memoryCluster();
  const first = candidate(cluster, 'Lease', 'one');
  await until('the first leads', () => first.election.isLeader);
  const second = candidate(cluster, 'Lease', 'two', { comesBefore: () => true, noticeMs: 60_000 });
  await until('the first stops', () => !first.election.isLeader);
  assert.equal(second.election.isLeader, false);
  await second.election.close();
  await until('the first leads again', () => first.election.isLeader);
  await first.election.close();
});
