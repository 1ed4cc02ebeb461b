import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packDiff, unpackDiff } from './packed-diff.ts';
import type { StateDiff } from './diff.ts';
import { gatewayAt, gatewayOf, memberOf, testPolicy, testService, testStore, testWorkload } from './testing/index.ts';
import type { Workload } from './workload.ts';

const service = testService('a');
const gateway = fc.constantFrom(undefined, gatewayAt('10.0.0.1'), gatewayOf(service));
const workload = fc
  .record({
    uid: fc.string({ unit: 'binary' }),
    name: fc.string(),
    ips: fc.array(fc.ipV6(), { maxLength: 3 }),
    hostname: fc.string(),
    protocol: fc.constantFrom('TCP' as const, 'HBONE' as const),
    waypoint: gateway,
    networkGateway: gateway,
    workloadType: fc.constantFrom('deployment' as const, 'pod' as const, 'job' as const, 'cronjob' as const),
    nativeTunnel: fc.boolean(),
    applicationTunnel: fc.constantFrom(undefined, { protocol: 'PROXY' as const, port: 15_088 }),
    services: fc.constantFrom({}, memberOf({ 80: 8080 }, service), memberOf({ 443: 0 }, service, testService('b'))),
    authorizationPolicies: fc.array(fc.string(), { maxLength: 2 }),
    healthy: fc.boolean(),
    hostNetwork: fc.boolean(),
    capacity: fc.oneof(fc.nat(), fc.constantFrom(0, 4_294_967_295)),
  })
  .map((change): Workload => testWorkload('a', change));

test('what is read is what was written, whatever the workloads hold', () => {
  fc.assert(
    fc.property(
      fc.array(workload, { maxLength: 8 }),
      fc.array(fc.string()),
      fc.boolean(),
      (upsert, remove, replace) => {
        const diff: StateDiff = {
          generation: 7,
          replace,
          workloads: { upsert, remove },
          services: { upsert: [service], remove: ['x/y'] },
          policies: { upsert: [testPolicy('p')], remove: [] },
        };
        assert.deepEqual(unpackDiff(packDiff(diff)), structuredClone(diff));
      },
    ),
  );
});

test('a store that is filled through it equals the one that was written', () => {
  const workloads = Array.from({ length: 300 }, (_, index) =>
    testWorkload(`w${index}`, { ips: [`10.0.${index % 250}.1`], services: memberOf({ 80: 8080 }, service) }),
  );
  const store = testStore({ workloads, services: [service] });
  const other = testStore({});
  other.applyDiff(unpackDiff(packDiff(store.fullDiff())));
  assert.deepEqual([...other.snapshot().workloads.values()], [...store.snapshot().workloads.values()]);
  assert.equal(other.snapshot().endpoints.get('default/a.default.svc.cluster.local')?.size, 300);
  const [one, two] = other.snapshot().workloads.values();
  assert.equal(one?.services, two?.services, 'equal parts are one value');
});
