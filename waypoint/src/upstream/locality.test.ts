import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { BackendSchema } from '@ambit/proto/waypoint';
import { testService, testWorkload } from '@ambit/state/testing';
import type { Candidate } from './candidates.ts';
import { placingOf } from './locality.ts';
import { beyond, endpointsOf } from './priority-load.ts';

const at = (region: string, zone = '', subzone = '', more = {}) =>
  testWorkload(`${region}-${zone}-${subzone}`, { locality: { region, zone, subzone }, ...more });
const self = at('us', 'a', '1', { network: 'n1', node: 'node-1' });
const service = testService('cart');
const outlier = { consecutive5xx: 1 };
const placesOf = (init: MessageInitShape<typeof BackendSchema>, endpoints: ReturnType<typeof at>[], overrides = {}) => {
  const placing = placingOf(create(BackendSchema, init), { ...service, ...overrides }, self);
  return endpoints.map((endpoint) => placing(endpoint)?.priority);
};
const world = [at('us', 'a', '1'), at('us', 'a', '2'), at('us', 'b'), at('eu'), at('asia')];

test('without outlier detection localities have no meaning, with it the near ones come first', () => {
  assert.deepEqual(placesOf({}, world), [0, 0, 0, 0, 0]);
  assert.deepEqual(placesOf({ outlier }, world), [0, 1, 2, 3, 3]);
  assert.deepEqual(placesOf({ outlier, locality: { enabled: true } }, world), [0, 1, 2, 3, 3]);
  assert.deepEqual(placesOf({ outlier, locality: { enabled: false } }, world), [0, 0, 0, 0, 0]);
  assert.deepEqual(placesOf({ locality: { enabled: true, forceFailover: true } }, world), [0, 1, 2, 3, 3]);
});

test('failover names the region that comes next', () => {
  const locality = { enabled: true, failover: [{ from: 'us', to: 'asia' }] };
  assert.deepEqual(placesOf({ outlier, locality }, world), [0, 1, 2, 4, 3]);
});

test('priority labels count from the front, with or without a value', () => {
  const endpoints = [
    at('us', 'a', '', { network: 'n1', node: 'node-1' }),
    at('us', 'a', '', { network: 'n1', node: 'node-2' }),
    at('eu', 'a', '', { network: 'n1' }),
    at('us', 'a', '', { network: 'n2' }),
  ];
  const labels = ['topology.istio.io/network', 'topology.kubernetes.io/region', 'kubernetes.io/hostname'];
  assert.deepEqual(placesOf({ outlier, locality: { enabled: true, priorityLabels: labels } }, endpoints), [0, 1, 2, 3]);
  const fixed = ['topology.kubernetes.io/region=eu', 'version'];
  assert.deepEqual(placesOf({ outlier, locality: { enabled: true, priorityLabels: fixed } }, endpoints), [2, 2, 1, 2]);
});

test('the preferences of a service hold where the rule says nothing', () => {
  const loadBalancer = { mode: 'FAILOVER', routingPreferences: ['REGION', 'ZONE'], healthPolicy: 'ONLY_HEALTHY' };
  const [near, zone, region, far] = placesOf({}, world, { loadBalancer }) as number[];
  assert.equal(near, zone);
  assert.ok((near as number) < (region as number) && (region as number) < (far as number));
  const strict = placesOf({}, world, { loadBalancer: { ...loadBalancer, mode: 'STRICT' } });
  assert.deepEqual(
    strict.map((place) => place === undefined),
    [false, false, true, true, true],
  );
  assert.deepEqual(placesOf({ locality: { enabled: false } }, world, { loadBalancer }), [0, 0, 0, 0, 0]);
});

const candidate = (name: string, priority = 0, portion?: Candidate['portion'], weight = 1): Candidate => ({
  weight,
  priority,
  portion,
  endpoint: { ip: name, port: 1, transport: 'tcp', expected: [], workload: undefined, key: name },
});
const namesOf = (list: readonly Candidate[]): string[] => list.map(({ endpoint }) => endpoint.ip);

test('the load of an ill priority goes on to the next, as in the example of the specification', () => {
  const best = ['a', 'b', 'c', 'd'].map((name) => candidate(name, 0));
  const next = ['x', 'y'].map((name) => candidate(name, 3));
  const all = [...best, ...next];
  const healthy = [...best.slice(0, 2), ...next];
  const pick = (random: number) => namesOf(endpointsOf(all, healthy, 0, () => random));
  assert.deepEqual(
    [pick(0.69), pick(0.71)],
    [
      ['a', 'b'],
      ['x', 'y'],
    ],
  );
  assert.deepEqual(namesOf(endpointsOf(all, all, 0, () => 0.99)), ['a', 'b', 'c', 'd'], 'healthy: all of it stays');
  assert.deepEqual(namesOf(endpointsOf(all, [...best.slice(0, 3), ...next], 0, () => 0.99)), ['a', 'b', 'c']);
  assert.deepEqual(namesOf(endpointsOf(all, next, 0, () => 0)), ['x', 'y'], 'nobody of the best is healthy');
  assert.deepEqual(namesOf(endpointsOf(all, [], 0, () => 0)), [], 'nobody at all');
});

test('retries of remote localities leave the priorities that were tried, as long as there are others', () => {
  const all = [candidate('a', 0), candidate('b', 0), candidate('x', 2), candidate('y', 3)];
  assert.deepEqual(namesOf(beyond(all, undefined)), ['a', 'b', 'x', 'y']);
  assert.deepEqual(namesOf(beyond(all, new Set(['a']))), ['x', 'y']);
  assert.deepEqual(namesOf(beyond(all, new Set(['b', 'x']))), ['y']);
  assert.deepEqual(namesOf(beyond(all, new Set(['a', 'x', 'y']))), ['a', 'b', 'x', 'y']);
});

test('too few healthy endpoints are a reason to believe none of the verdicts', () => {
  const all = ['a', 'b', 'c', 'd'].map((name) => candidate(name));
  assert.deepEqual(namesOf(endpointsOf(all, all.slice(0, 1), 30, () => 0)), ['a', 'b', 'c', 'd']);
  assert.deepEqual(namesOf(endpointsOf(all, all.slice(0, 1), 20, () => 0)), ['a']);
  assert.deepEqual(
    namesOf(endpointsOf(all, all.slice(0, 3), 90, () => 0)),
    ['a', 'b', 'c'],
    'enough for the whole load',
  );
});

test('traffic is distributed among localities, and localities that are not named get none', () => {
  const rule = { from: 'us/a/*', to: { 'us/a/*': 80, 'eu/*': 20 } };
  const placing = placingOf(create(BackendSchema, { locality: { enabled: true, distribute: [rule] } }), service, self);
  const portions = world.map((endpoint) => placing(endpoint)?.portion?.name);
  assert.deepEqual(portions, ['us/a/*', 'us/a/*', undefined, 'eu/*', undefined]);
  const near = { name: 'us/a/*', weight: 80 };
  const far = { name: 'eu/*', weight: 20 };
  const all = [candidate('a', 0, near), candidate('b', 0, near, 3), candidate('x', 0, far)];
  const weights = (healthy: readonly Candidate[]) => endpointsOf(all, healthy, 0, () => 0).map(({ weight }) => weight);
  assert.deepEqual(weights(all), [20, 60, 20]);
  const [onlyA, x] = weights([all[0] as Candidate, all[2] as Candidate]) as [number, number];
  assert.ok(Math.abs(onlyA - 28) < 1e-9 && x === 20, 'a quarter of the locality is healthy: 35 % of its portion');
});
