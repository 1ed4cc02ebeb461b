import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gatewayAt, memberOf, testService, testWorkload } from '../testing/index.ts';
import type { Workload } from '../workload.ts';
import { Sharing } from './sharing.ts';

const service = testService('a');
const gateway = fc.constantFrom(undefined, gatewayAt('10.0.0.1'), gatewayAt('10.0.0.2'));
const change = fc.record({
  ips: fc.array(fc.ipV4(), { maxLength: 3 }),
  network: fc.string(),
  protocol: fc.constantFrom('TCP' as const, 'HBONE' as const),
  waypoint: gateway,
  networkGateway: gateway,
  workloadType: fc.constantFrom('deployment' as const, 'pod' as const, 'job' as const, 'cronjob' as const),
  applicationTunnel: fc.constantFrom(undefined, { protocol: 'PROXY' as const, port: 1 }),
  services: fc.constantFrom({}, memberOf({ 80: 8080 }, service), memberOf({ 443: 0 }, service, testService('b'))),
  authorizationPolicies: fc.array(fc.string(), { maxLength: 2 }),
  healthy: fc.boolean(),
  locality: fc.record({ region: fc.string(), zone: fc.string(), subzone: fc.string() }),
  capacity: fc.nat(),
});

test('the record is equal to the given one, whatever it holds', () => {
  const sharing = new Sharing();
  fc.assert(
    fc.property(fc.string(), change, (name, changed) => {
      const given = testWorkload(name, changed);
      assert.deepEqual(sharing.workload(structuredClone(given)), structuredClone(given));
    }),
  );
});

test('equal parts of two records are one object, different ones are not', () => {
  const sharing = new Sharing();
  const taken = (name: string, more: Partial<Workload>): Workload =>
    sharing.workload(structuredClone(testWorkload(name, { waypoint: gatewayAt('10.0.0.1'), ...more })));
  const one = taken('one', { services: memberOf({ 80: 8080 }, service) });
  const two = taken('two', { services: memberOf({ 80: 8080 }, service) });
  const other = taken('other', { services: memberOf({ 80: 8081 }, service), waypoint: gatewayAt('10.0.0.2') });
  assert.equal(one.services, two.services);
  assert.equal(one.waypoint, two.waypoint);
  assert.equal(one.locality, other.locality);
  assert.notEqual(one.services, other.services);
  assert.notEqual(one.waypoint, other.waypoint);
});

test('more different values than are remembered are still right', () => {
  const sharing = new Sharing();
  for (let index = 0; index < 70_000; index += 1) {
    const given = testWorkload('a', { node: `node-${index}` });
    assert.equal(sharing.workload(given).node, `node-${index}`);
  }
});
