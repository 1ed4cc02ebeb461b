import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import { NetnsCache } from './netns-cache.ts';
import { type TableConnection, UnprotectedConnections } from './unprotected.ts';
import { watchUnprotected } from './watch-unprotected.ts';

const old: TableConnection = {
  key: 'a>b',
  localAddress: '10.0.0.1',
  localPort: 1,
  remoteAddress: '10.0.0.2',
  remotePort: 2,
};

test('only pods with connections from before their enrolment are looked at again, until the last of them has ended', async () => {
  const cache = new NetnsCache();
  const unprotected = new UnprotectedConnections();
  for (const uid of ['with', 'without'])
    cache.put({
      uid,
      workload: { name: uid, namespace: 'shop', serviceAccount: '' },
      ips: [],
      netns: undefined,
      capture: 'installed',
    });
  unprotected.begin('with', [old]);
  unprotected.begin('without', []);
  const looked: string[] = [];
  const totals: number[] = [];
  const rounds = Promise.withResolvers<void>();
  using _watch = watchUnprotected(
    {
      cache,
      unprotected,
      source: { pods: () => [] } as unknown as PodSource,
      log: silentLogger,
      connections: ({ uid }) => {
        looked.push(uid);
        return looked.length === 1 ? [old] : [];
      },
      onTotal: (total) => {
        if (totals.push(total) === 5) rounds.resolve();
      },
    },
    1,
  );
  // The watch alone keeps no process alive.
  const alive = setInterval(() => undefined, 1000);
  await rounds.promise;
  clearInterval(alive);
  assert.deepEqual(looked, ['with', 'with']);
  assert.deepEqual(totals.slice(0, 5), [1, 0, 0, 0, 0]);
});
