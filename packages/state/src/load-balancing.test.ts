// Selection among the endpoints of a service (spec/node-proxy.md 5.4, 13.8).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pickEndpoint } from './load-balancing.ts';
import type { LoadBalancer, Service } from './service.ts';
import { memberOf, testService, testStore, testWorkload } from './testing/index.ts';
import type { Workload } from './workload.ts';

const source = testWorkload('source', {
  ips: ['10.0.0.1'],
  locality: { region: 'r1', zone: 'z1', subzone: 's1' },
  clusterId: 'c1',
});

/** Names of the endpoints that evenly spread picks give, with how often. */
function picks(service: Service, workloads: readonly Workload[], count = 100, port = 80): Record<string, number> {
  const snapshot = testStore({ workloads: [source, ...workloads], services: [service] }).snapshot();
  const seen: Record<string, number> = {};
  for (let index = 0; index < count; index += 1) {
    const picked = pickEndpoint(snapshot, source, service, port, 'standard', () => (index + 0.5) / count);
    const name = picked === undefined ? 'none' : `${picked.workload.name}:${picked.port}`;
    seen[name] = (seen[name] ?? 0) + 1;
  }
  return seen;
}

const balanced = (mode: LoadBalancer['mode'], routingPreferences: LoadBalancer['routingPreferences']): Service =>
  testService('cart', { loadBalancer: { mode, routingPreferences, healthPolicy: 'ONLY_HEALTHY' } });

test('every endpoint is reached, as often as its capacity says, and one without capacity never', () => {
  const service = testService('cart');
  const endpoint = (name: string, capacity: number): Workload =>
    testWorkload(name, { ips: [`10.0.1.${capacity}`], capacity, services: memberOf({}, service) });
  assert.deepEqual(picks(service, [endpoint('a', 1), endpoint('b', 3), endpoint('c', 0)]), {
    'a:8080': 25,
    'b:8080': 75,
  });
  assert.deepEqual(picks(service, [endpoint('c', 0)], 10), { none: 10 });
});

test('failover takes the endpoints that match the most preferences in their order, strict only those that match all', () => {
  const at = (name: string, region: string, zone: string): Workload =>
    testWorkload(name, {
      ips: [`10.0.2.${name.length}`],
      locality: { region, zone, subzone: '' },
      services: memberOf({}, testService('cart')),
    });
  const far = at('far', 'r2', 'z1');
  const near = at('near', 'r1', 'z2');
  const close = at('close', 'r1', 'z1');
  const failover = balanced('FAILOVER', ['REGION', 'ZONE']);
  assert.deepEqual(picks(failover, [far, near, close], 10), { 'close:8080': 10 });
  // The zone of another region does not count: the first mismatch ends the comparison.
  assert.deepEqual(picks(failover, [far, near], 10), { 'near:8080': 10 });
  assert.deepEqual(picks(failover, [far], 10), { 'far:8080': 10 });
  const strict = balanced('STRICT', ['REGION', 'ZONE']);
  assert.deepEqual(picks(strict, [far, near, close], 10), { 'close:8080': 10 });
  assert.deepEqual(picks(strict, [far, near], 10), { none: 10 });
});

test('the port is that of the endpoint, else of the service, else of the connection behind an application tunnel', () => {
  const named = testService('cart', { ports: { 80: 0 } });
  const behindTunnel = testWorkload('gateway', {
    ips: ['10.0.3.1'],
    applicationTunnel: { protocol: 'PROXY', port: 15088 },
    services: memberOf({}, testService('cart')),
  });
  const mapped = testWorkload('mapped', { ips: ['10.0.3.2'], services: memberOf({ 80: 7070 }, named) });
  assert.deepEqual(picks(named, [mapped], 4), { 'mapped:7070': 4 });
  const snapshot = testStore({ workloads: [source, behindTunnel], services: [named] }).snapshot();
  assert.equal(pickEndpoint(snapshot, source, named, 80, 'waypoint', () => 0)?.port, 80);
});
