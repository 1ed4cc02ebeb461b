import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Backend_Kind, BackendSchema, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import { createStateStore } from '@ambit/state';
import { memberOf, testService, testWorkload } from '@ambit/state/testing';
import type { FrontendPort } from '../updates/compiled-config.ts';
import { silentLogger } from '@ambit/runtime/log';
import { createNames } from './names.ts';
import { createPicker, type PickInput } from './pick.ts';

const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.20' }] });
const member = (name: string, ip: string, overrides = {}) =>
  testWorkload(name, { ips: [ip], services: memberOf({}, service), ...overrides });
const snapshotOf = (...workloads: ReturnType<typeof member>[]) => {
  const store = createStateStore();
  store.apply({ services: [service], workloads });
  return store.snapshot();
};
const port = Number(Object.keys(service.ports)[0]);
const input = (
  snapshot: PickInput['snapshot'],
  backend: MessageInitShape<typeof BackendSchema> = {},
  overrides: Partial<PickInput> = {},
): PickInput => ({
  backend: create(BackendSchema, { hostname: service.hostname, serviceNamespace: service.namespace, port, ...backend }),
  frontend: { key: 'f', port, workloadUid: undefined } as unknown as FrontendPort,
  destinationIp: undefined,
  snapshot,
  network: '',
  self: undefined,
  avoid: new Set(),
  random: () => 0,
  ...overrides,
});

test('an endpoint comes with the identity it must have', () => {
  const picked = createPicker().pick(
    input(snapshotOf(member('cart-1', '10.0.0.1', { protocol: 'HBONE', serviceAccount: 'cart' }))),
  );
  assert.equal(picked?.transport, 'hbone');
  assert.deepEqual(picked?.expected.slice(0, 1), [`spiffe://cluster.local/ns/${service.namespace}/sa/cart`]);
});

test('a workload without tunnels is reached plainly', () => {
  assert.equal(
    createPicker().pick(input(snapshotOf(member('cart-1', '10.0.0.1', { protocol: 'TCP' }))))?.transport,
    'tcp',
  );
});

test('unhealthy workloads, weight 0 and other networks are left out', () => {
  const snapshot = snapshotOf(
    member('a', '10.0.0.1', { healthy: false }),
    member('b', '10.0.0.2', { capacity: 0 }),
    member('c', '10.0.0.3', { network: 'far' }),
  );
  assert.equal(createPicker().pick(input(snapshot)), undefined);
});

test('the less busy of two is taken', () => {
  const picker = createPicker();
  const draws = [0.1, 0.9];
  const request = input(
    snapshotOf(member('a', '10.0.0.1'), member('b', '10.0.0.2')),
    {},
    { random: () => draws[0] as number },
  );
  const first = picker.pick(request);
  assert.ok(first);
  using _busy = picker.begin(first);
  let turn = 0;
  const second = picker.pick({ ...request, random: () => draws[turn++ % 2] as number });
  assert.notEqual(second?.ip, first.ip);
});

test('round robin visits everybody', () => {
  const picker = createPicker();
  const request = input(snapshotOf(member('a', '10.0.0.1'), member('b', '10.0.0.2'), member('c', '10.0.0.3')), {
    lb: { algo: LoadBalancer_Algo.ROUND_ROBIN },
  });
  assert.equal(new Set([1, 2, 3].map(() => picker.pick(request)?.ip)).size, 3);
});

test('endpoints that failed are avoided while there are others', () => {
  const picker = createPicker();
  const snapshot = snapshotOf(member('a', '10.0.0.1'), member('b', '10.0.0.2'));
  const first = picker.pick(input(snapshot));
  assert.ok(first);
  const second = picker.pick(input(snapshot, {}, { avoid: new Set([first.key]) }));
  assert.ok(second);
  assert.notEqual(second.ip, first.ip);
  assert.ok(picker.pick(input(snapshot, {}, { avoid: new Set([first.key, second.key]) })));
});

test('a subset has only its members, an empty one none', () => {
  const picker = createPicker();
  const snapshot = snapshotOf(member('a', '10.0.0.1'), member('b', '10.0.0.2'));
  const uid = [...snapshot.workloads.values()].find(({ name }) => name === 'b')?.uid ?? '';
  assert.equal(picker.pick(input(snapshot, { subset: 'v2', members: [uid] }))?.ip, '10.0.0.2');
  assert.equal(picker.pick(input(snapshot, { subset: 'v3' })), undefined);
});

test('static endpoints are reached plainly; one that should be tunnelled needs names', () => {
  const picker = createPicker();
  const snapshot = snapshotOf();
  const endpoints = [{ address: '192.0.2.1', port: 443 }];
  assert.equal(picker.pick(input(snapshot, { kind: Backend_Kind.STATIC, endpoints }))?.ip, '192.0.2.1');
  const tunnelled = [{ address: '192.0.2.1', port: 443, hbone: true }];
  assert.equal(picker.pick(input(snapshot, { kind: Backend_Kind.STATIC, endpoints: tunnelled })), undefined);
});

test('a wildcard backend goes where the name of the request leads, but not to this machine', async () => {
  const known: Record<string, string[]> = {
    'a.example.com': ['192.0.2.7'],
    'rebound.example.com': ['127.0.0.1', '::1', '0.0.0.0', '::ffff:127.0.0.9'],
  };
  const resolve = async (name: string) => (known[name] ?? []).map((address) => ({ address, ttl: 60 }));
  const names = createNames({ log: silentLogger, resolve });
  const picker = createPicker({ names });
  const { snapshot } = input(snapshotOf());
  const pickFor = async (host: string) => {
    const wanted = input(snapshot, { hostname: '*.example.com', kind: Backend_Kind.DYNAMIC_DNS, port: 443 }, { host });
    await picker.prepare(wanted.backend, snapshot, host);
    const picked = picker.pick(wanted);
    return picked === undefined ? undefined : `${picked.ip}:${picked.port}`;
  };
  assert.equal(await pickFor('A.example.com:8443'), '192.0.2.7:443', 'the port is that of the frontend');
  assert.equal(await pickFor('rebound.example.com'), undefined);
  assert.equal(await pickFor('a.example.com.other.org'), undefined);
  assert.equal(await pickFor('.example.com'), undefined);
  names.close();
});
