import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type Snapshot, workloadsOfNode } from '../snapshot.ts';
import { createStateStore } from '../store.ts';
import { gatewayAt, gatewayOf, memberOf, testPolicy, testService, testWorkload } from '../testing/index.ts';
import type { Workload } from '../workload.ts';
import { SharedWorkloads } from './shared-workloads.ts';
import { writeSharedWorkloads } from './shared-workloads-writer.ts';

const one = testService('one');
const two = testService('two');
const gateway = fc.constantFrom(undefined, gatewayAt('10.0.0.1'), gatewayOf(one));
const uids = ['u1', 'Kubernetes//Pod/default/u2', 'Kubernetes//Pod/default/u3', 'ü4', '𝒳', '__proto__', ''];
const addresses = ['10.0.0.1', '10.0.0.2', '::1'];
const workload = fc
  .record({
    uid: fc.constantFrom(...uids),
    name: fc.string({ unit: 'binary', maxLength: 5 }),
    ips: fc.subarray(addresses),
    hostname: fc.constantFrom('', 'h1', 'h2'),
    network: fc.constantFrom('', 'n'),
    protocol: fc.constantFrom('TCP' as const, 'HBONE' as const),
    waypoint: gateway,
    networkGateway: gateway,
    node: fc.constantFrom('node-1', 'node-2'),
    workloadType: fc.constantFrom('deployment' as const, 'pod' as const),
    nativeTunnel: fc.boolean(),
    applicationTunnel: fc.constantFrom(undefined, { protocol: 'PROXY' as const, port: 15_088 }),
    services: fc.constantFrom(
      {},
      memberOf({ 80: 8080 }, one),
      memberOf({ 443: 0 }, one, two),
      JSON.parse('{"__proto__":{"1":2}}') as Workload['services'],
    ),
    authorizationPolicies: fc.constantFrom([], ['default/p'], ['a/b', 'c/d']),
    healthy: fc.boolean(),
    hostNetwork: fc.boolean(),
    capacity: fc.oneof(fc.nat(), fc.constantFrom(0, 4_294_967_295)),
  })
  .map((change): Workload => testWorkload('a', change));
const batch = fc.record({
  workloads: fc.array(workload, { maxLength: 6 }),
  removed: fc.subarray(uids),
  withService: fc.boolean(),
  withPolicy: fc.boolean(),
});

const networks = ['', 'n'].flatMap((network) => addresses.map((ip) => `${network}/${ip}`));
const serviceNames = [
  'default/one.default.svc.cluster.local',
  'default/two.default.svc.cluster.local',
  '__proto__',
  'none',
];

/** Everything that can be asked about workloads, in the order in which it is answered. */
function answers(snapshot: Snapshot): unknown {
  const { workloads, workloadsByAddress, workloadsByHostname, endpoints } = snapshot;
  const sorted = (keys: Iterable<string>): readonly string[] => [...keys].toSorted();
  return {
    workloads: uids.map((uid) => [workloads.has(uid), workloads.get(uid)]),
    all: [...workloads.values()].toSorted((a, b) => (a.uid < b.uid ? -1 : 1)),
    keys: [workloads, workloadsByAddress, workloadsByHostname, endpoints].map((map) => [map.size, sorted(map.keys())]),
    addresses: networks.map((key) => [workloadsByAddress.has(key), workloadsByAddress.get(key)]),
    hostnames: ['default/h1', 'default/h2', 'x'].map((key) => workloadsByHostname.get(key)),
    members: serviceNames.map((key) => [...(endpoints.get(key) ?? [])]),
    nodes: ['node-1', 'node-2', 'x'].map((node) =>
      [...workloadsOfNode(snapshot, node)].map(({ uid }) => uid).toSorted(),
    ),
    services: sorted(snapshot.services.keys()),
    policies: sorted(snapshot.policies.keys()),
  };
}

test('after any batches every look gives what a store without shared memory gives, in each thread', () => {
  fc.assert(
    fc.property(
      fc.array(batch, { maxLength: 12 }),
      fc.integer({ min: 1, max: 8 }),
      fc.nat(12),
      (batches, shareFrom, joins) => {
        const plain = createStateStore();
        const sharing = createStateStore({ shareFrom });
        const follower = createStateStore();
        const late = createStateStore();
        const kept: (readonly [Snapshot, unknown])[] = [];
        for (const [index, { workloads, removed, withService, withPolicy }] of batches.entries()) {
          const update = {
            addresses: { updated: [], removed },
            workloads,
            services: withService ? [one] : [],
            policies: withPolicy ? [testPolicy(`p${index}`)] : [],
          };
          const expected = plain.apply(update);
          const { diff } = sharing.apply(update);
          assert.deepEqual(
            [diff.generation, diff.services, diff.policies],
            [expected.diff.generation, expected.diff.services, expected.diff.policies],
          );
          // The clone of shared memory is the same memory.
          follower.applyDiff(structuredClone(diff));
          if (index > joins) late.applyDiff(diff);
          if (index === joins) late.applyDiff(sharing.fullDiff());
          const wanted = answers(plain.snapshot());
          for (const store of [sharing, follower]) assert.deepEqual(answers(store.snapshot()), wanted);
          kept.push([sharing.snapshot(), wanted], [follower.snapshot(), wanted]);
          // One that comes later is told of equal addresses in another order, as without shared memory.
          if (index >= joins)
            assert.deepEqual(
              [...late.snapshot().workloads.keys()].toSorted(),
              [...plain.snapshot().workloads.keys()].toSorted(),
            );
        }
        for (const [snapshot, wanted] of kept) assert.deepEqual(answers(snapshot), wanted, 'a snapshot never changes');
      },
    ),
  );
});

test('shared memory is written when enough has changed, and then the maps above it are empty', () => {
  const store = createStateStore({ shareFrom: 10 });
  const some = (from: number, count: number): readonly Workload[] =>
    Array.from({ length: count }, (_, index) => testWorkload(`w${from + index}`));
  assert.equal(store.apply({ workloads: some(0, 9) }).diff.shared, undefined);
  const { diff } = store.apply({ workloads: some(9, 91) });
  assert.ok(diff.shared !== undefined);
  assert.equal(diff.workloads.upsert.length, 0);
  assert.equal(store.apply({ workloads: some(0, 24) }).diff.shared, undefined);
  assert.ok(store.apply({ workloads: some(24, 1) }).diff.shared !== undefined, 'a quarter has changed');
  assert.deepEqual(store.fullDiff().workloads, { upsert: [], remove: [] });
});

test('a record that is in use stays the same object, and few are kept', () => {
  const store = createStateStore({ shareFrom: 1 });
  store.apply({ workloads: Array.from({ length: 5000 }, (_, index) => testWorkload(`w${index}`)) });
  const { workloads } = store.snapshot();
  const uid = (index: number): string => `Kubernetes//Pod/default/w${index}`;
  const used = workloads.get(uid(0));
  const other = workloads.get(uid(1));
  for (let index = 2; index < 5000; index += 1) {
    workloads.get(uid(index));
    if (index % 500 === 0) assert.equal(workloads.get(uid(0)), used);
  }
  assert.notEqual(workloads.get(uid(1)), other);
  assert.equal([...workloads.values()].length, 5000);
  assert.equal(workloads.get(uid(0)), used, 'a walk through all pushes nothing out');
});

test('another thread reads the same memory', async () => {
  const store = createStateStore();
  store.apply({
    workloads: Array.from({ length: 500 }, (_, index) =>
      testWorkload(`w${index}`, { ips: [`10.0.${index >> 8}.${index & 255}`] }),
    ),
  });
  const memory = writeSharedWorkloads(store.snapshot());
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { SharedWorkloads } from ${JSON.stringify(new URL('shared-workloads.ts', import.meta.url).href)};
    const { workloads, workloadsByAddress } = new SharedWorkloads(workerData).maps();
    parentPort.postMessage([workloads.size, workloads.get('Kubernetes//Pod/default/w499'), workloadsByAddress.get('/10.0.0.7')]);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData: memory });
  const answer = await new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  const { workloads, workloadsByAddress } = store.snapshot();
  const expected = [workloads.size, workloads.get('Kubernetes//Pod/default/w499'), workloadsByAddress.get('/10.0.0.7')];
  assert.deepEqual(answer, structuredClone(expected));
  assert.deepEqual(new SharedWorkloads(memory).maps().workloads.size, 500);
});

test('a workload leaves the list of its address although its record was made anew', () => {
  const store = createStateStore({ shareFrom: 1000 });
  const ips = ['10.0.0.1'];
  const crowd = Array.from({ length: 5000 }, (_, index) => testWorkload(`w${index}`));
  store.apply({ workloads: [testWorkload('x', { ips }), testWorkload('y', { ips }), ...crowd] });
  store.apply({ workloads: [testWorkload('z', { ips })] });
  for (const { uid } of crowd) store.snapshot().workloads.get(uid);
  store.apply({ addresses: { updated: [], removed: ['Kubernetes//Pod/default/x'] } });
  const left = store.snapshot().workloadsByAddress.get('/10.0.0.1') ?? [];
  assert.deepEqual(
    left.map(({ name }) => name),
    ['z', 'y'],
  );
});
