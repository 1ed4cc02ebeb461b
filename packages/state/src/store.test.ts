// Tables of spec/node-proxy.md 13.8.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AuthorizationSchema } from '@ambit/proto/authorization';
import type { Authorization } from '@ambit/proto/authorization';
import { AddressSchema } from '@ambit/proto/workload';
import type { Address } from '@ambit/proto/workload';
import type { MessageInitShape } from '@bufbuild/protobuf';

import { rankOf } from './load-balancing.ts';
import { authorizeL4 } from './rbac.ts';
import type { RoutingScope, Service } from './service.ts';
import { findServiceByHostname, findServiceByVip, findWorkload } from './snapshot.ts';
import { createStateStore } from './store.ts';
import type { StateStore } from './store.ts';
import { memberOf, testPolicy, testService, testStore, testWorkload } from './testing/index.ts';

type Init = MessageInitShape<typeof AddressSchema>['type'];

function address(type: Exclude<Init, undefined>): Address {
  return create(AddressSchema, { type });
}

function applyAddresses(
  store: StateStore,
  resources: Readonly<Record<string, Address>>,
  removed: readonly string[] = [],
) {
  const updated = Object.entries(resources).map(([name, resource]) => ({ name, resource }));
  return store.apply({ addresses: { updated, removed } });
}

/** An enum number that this version does not know. */
const unknownEnum = (value: number): never => value as never;
const ip = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

test('a workload gets the defaults of the node proxy', () => {
  const store = createStateStore();
  applyAddresses(store, { u: address({ case: 'workload', value: { uid: 'u', addresses: [ip(10, 0, 0, 1)] } }) });
  const workload = store.snapshot().workloads.get('u');
  assert.ok(workload);
  assert.deepEqual(
    [
      workload.trustDomain,
      workload.serviceAccount,
      workload.clusterId,
      workload.capacity,
      workload.protocol,
      workload.healthy,
    ],
    ['cluster.local', 'default', 'Kubernetes', 1, 'TCP', true],
  );
  assert.equal(findWorkload(store.snapshot(), '', '10.0.0.1'), workload);
});

test('a bad resource rejects only itself, and its last good version stays', () => {
  const store = createStateStore();
  const good = address({ case: 'workload', value: { uid: 'good', addresses: [ip(10, 0, 0, 1)] } });
  const bad: Record<string, Address> = {
    none: create(AddressSchema, {}),
    length: address({ case: 'workload', value: { uid: 'good', addresses: [ip(1, 2, 3)] } }),
    tunnel: address({ case: 'workload', value: { uid: 'x', tunnelProtocol: 2 } }),
    status: address({ case: 'workload', value: { uid: 'x', status: unknownEnum(9) } }),
    mode: address({ case: 'workload', value: { uid: 'x', networkMode: unknownEnum(7) } }),
    key: address({ case: 'workload', value: { uid: 'x', services: { odd: {} } } }),
    waypoint: address({ case: 'workload', value: { uid: 'x', waypoint: { hboneMtlsPort: 1 } } }),
    application: address({ case: 'workload', value: { uid: 'x', applicationTunnel: { protocol: unknownEnum(5) } } }),
    scope: address({ case: 'service', value: { hostname: 'h', loadBalancing: { routingPreference: [0] } } }),
    balancer: address({ case: 'service', value: { hostname: 'h', loadBalancing: { mode: unknownEnum(8) } } }),
    families: address({ case: 'service', value: { hostname: 'h', ipFamilies: unknownEnum(4) } }),
    vip: address({ case: 'service', value: { hostname: 'h', addresses: [{ address: ip(1) }] } }),
    prefix: address({
      case: 'service',
      value: { hostname: 'h', addresses: [{ address: ip(1, 2, 3, 4), length: 33 }] },
    }),
    weighted: address({ case: 'service', value: { hostname: 'h', weightedWaypoints: [{ weight: 1 }] } }),
  };
  applyAddresses(store, { good });
  const result = applyAddresses(store, { ...bad, other: address({ case: 'workload', value: { uid: 'other' } }) });
  assert.deepEqual(
    result.rejects.map((reject) => reject.name),
    Object.keys(bad),
  );
  assert.equal(result.rejects[0]?.reason, 'unknown address type');
  assert.deepEqual([...store.snapshot().workloads.keys()].toSorted(), ['good', 'other']);
  assert.equal(findWorkload(store.snapshot(), '', '10.0.0.1')?.uid, 'good');
});

test('names of a service that are no identities are dropped with a warning', () => {
  const store = createStateStore();
  const service = address({
    case: 'service',
    value: { namespace: 'n', hostname: 'h', subjectAltNames: ['odd', 'spiffe://t/ns/a/sa/b'] },
  });
  const result = applyAddresses(store, { 'n/h': service });
  assert.deepEqual(store.snapshot().services.get('n/h')?.subjectAltNames, ['spiffe://t/ns/a/sa/b']);
  assert.equal(result.warnings.length, 1);
});

test('services and workloads may come in any order, and a service keeps its endpoints', () => {
  const service = testService('cart');
  const pod = testWorkload('cart', { services: memberOf({}, service) });
  const key = 'default/cart.default.svc.cluster.local';
  for (const steps of [
    [{ workloads: [pod] }, { services: [service] }],
    [{ services: [service] }, { workloads: [pod] }],
  ]) {
    const store = createStateStore();
    for (const step of steps) store.apply(step);
    store.apply({ services: [{ ...service, canonical: true }] });
    assert.deepEqual([...(store.snapshot().endpoints.get(key)?.keys() ?? [])], [pod.uid]);
    store.apply({ workloads: [{ ...pod, services: {} }] });
    assert.equal(store.snapshot().endpoints.get(key), undefined);
  }
});

test('removing takes a workload by uid and a service by key', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const pod = testWorkload('cart', { ips: ['10.0.0.1'], services: memberOf({}, service) });
  const store = testStore({ workloads: [pod], services: [service] });
  const { diff } = applyAddresses(store, {}, [pod.uid, 'default/cart.default.svc.cluster.local', 'never/seen']);
  assert.deepEqual(diff.workloads.remove, [pod.uid]);
  assert.deepEqual(diff.services.remove, ['default/cart.default.svc.cluster.local']);
  const snapshot = store.snapshot();
  assert.equal(findWorkload(snapshot, '', '10.0.0.1'), undefined);
  assert.equal(findServiceByVip(snapshot, '', '10.96.0.1', undefined), undefined);
  assert.equal(snapshot.endpoints.size, 0);
});

test('an address that moves to another workload is found there', () => {
  const store = testStore({ workloads: [testWorkload('old', { ips: ['10.0.0.1'] })] });
  store.apply({ workloads: [testWorkload('old', { ips: ['10.0.0.9'] }), testWorkload('new', { ips: ['10.0.0.1'] })] });
  assert.equal(findWorkload(store.snapshot(), '', '10.0.0.1')?.name, 'new');
  assert.equal(findWorkload(store.snapshot(), '', '10.0.0.9')?.name, 'old');
});

test('of several workloads on one address pods come first, then HBONE, then the newest', () => {
  const ips = ['10.0.0.1'];
  const external = testWorkload('external', { uid: 'Kubernetes/networking.istio.io/ServiceEntry/a/b', ips });
  const tcpPod = testWorkload('tcp', { ips, protocol: 'TCP' });
  const pods = ['one', 'two'].map((name) => testWorkload(name, { ips }));
  const store = createStateStore();
  const holder = (): string | undefined => findWorkload(store.snapshot(), '', '10.0.0.1')?.name;
  for (const [workload, expected] of [
    [external, 'external'],
    [tcpPod, 'tcp'],
    [pods[0], 'one'],
    [pods[1], 'two'],
  ] as const) {
    store.apply({ workloads: workload === undefined ? [] : [workload] });
    assert.equal(holder(), expected);
  }
  store.apply({ workloads: [external] });
  assert.equal(holder(), 'two');
  assert.equal(findWorkload(store.snapshot(), 'other-network', '10.0.0.1'), undefined);
});

test('among services that share a name or address: visibility, namespace, canonical, first', () => {
  const make = (namespace: string, change: Partial<Service> = {}): Service =>
    testService('x', { namespace, hostname: 'shared.example', vips: [{ network: '', ip: '10.96.0.1' }], ...change });
  const first = make('first');
  const canonical = make('canonical', { canonical: true });
  const hidden = make('hidden', { visibility: 'NAMESPACE' });
  const cases = [
    [[first, canonical, hidden], 'hidden', 'hidden'],
    [[first, canonical, hidden], 'first', 'first'],
    [[first, canonical, hidden], 'elsewhere', 'canonical'],
    [[first, make('second')], 'elsewhere', 'first'],
    [[hidden], 'elsewhere', undefined],
    [[hidden], undefined, 'hidden'],
  ] as const;
  for (const [services, client, expected] of cases) {
    const snapshot = testStore({ services }).snapshot();
    assert.equal(findServiceByVip(snapshot, '', '10.96.0.1', client)?.namespace, expected);
    assert.equal(findServiceByHostname(snapshot, 'shared.example', client)?.namespace, expected);
  }
  const snapshot = testStore({ services: [first, make('second')] }).snapshot();
  assert.equal(findServiceByHostname(snapshot, 'shared.example', 'elsewhere', 'second')?.namespace, 'second');
});

test('CIDR addresses: longest prefix, namespace first, exact beats range, network and family count', () => {
  const range = (namespace: string, base: string, length: number, change: Partial<Service> = {}): Service =>
    testService('x', {
      namespace,
      hostname: `${namespace}.example`,
      cidrVips: [{ network: '', ip: base, length }],
      ...change,
    });
  const wide = range('wide', '10.1.0.0', 16);
  const narrow = range('narrow', '10.1.2.0', 24);
  const six = range('six', 'fd00::', 16);
  const exact = testService('x', {
    namespace: 'exact',
    hostname: 'exact',
    vips: [{ network: '', ip: '10.1.2.3' }],
    visibility: 'NAMESPACE',
  });
  const store = testStore({ services: [wide, narrow, six, exact] });
  const find = (address_: string, client: string | undefined, network = ''): string | undefined =>
    findServiceByVip(store.snapshot(), network, address_, client)?.namespace;
  assert.equal(find('10.1.9.9', undefined), 'wide');
  assert.equal(find('10.1.2.9', undefined), 'narrow');
  assert.equal(find('10.1.2.9', 'wide'), 'wide');
  assert.equal(find('10.1.2.3', 'exact'), 'exact');
  assert.equal(find('10.1.2.3', 'elsewhere'), 'narrow');
  assert.equal(find('fd00::1', undefined), 'six');
  assert.equal(find('fe00::1', undefined), undefined);
  assert.equal(find('10.1.9.9', undefined, 'far'), undefined);
  applyAddresses(store, {}, ['narrow/narrow.example']);
  assert.equal(find('10.1.2.9', undefined), 'wide');
});

test('a full-length prefix is a plain address', () => {
  const store = createStateStore();
  const addresses = [
    { address: ip(10, 96, 0, 1), length: 32 },
    { address: ip(10, 97, 0, 0), length: 16 },
  ];
  applyAddresses(store, { s: address({ case: 'service', value: { namespace: 'n', hostname: 'h', addresses } }) });
  const service = store.snapshot().services.get('n/h');
  assert.deepEqual(service?.vips, [{ network: '', ip: '10.96.0.1' }]);
  assert.deepEqual(service?.cidrVips, [{ network: '', ip: '10.97.0.0', length: 16 }]);
});

test('locality ranks follow the preference list, with network first in a special place', () => {
  const place = (network: string, region: string, zone: string) =>
    testWorkload('w', { network, locality: { region, zone, subzone: '' } });
  const source = place('n', 'r', 'z');
  const preferences: readonly RoutingScope[] = ['NETWORK', 'REGION', 'ZONE'];
  const cases = [
    [place('n', 'r', 'z'), 5],
    [place('n', 'r', 'x'), 4],
    [place('n', 'x', 'z'), 3],
    [place('x', 'r', 'z'), 2],
    [place('x', 'r', 'x'), 1],
    [place('x', 'x', 'z'), 0],
  ] as const;
  for (const [endpoint, rank] of cases) assert.equal(rankOf(source, endpoint, preferences).rank, rank);
  assert.equal(rankOf(source, place('x', 'r', 'z'), ['REGION', 'NETWORK', 'ZONE']).rank, 1);
});

test('one batch is one generation; a batch without effect is none; snapshots do not change', () => {
  const store = createStateStore();
  const before = store.snapshot();
  const result = store.apply({
    workloads: [testWorkload('a', { ips: ['10.0.0.1'] }), testWorkload('b')],
    policies: [testPolicy('p')],
  });
  assert.equal(result.diff.generation, 1);
  assert.equal(store.snapshot().generation, 1);
  assert.equal(before.workloads.size, 0);
  assert.equal(findWorkload(before, '', '10.0.0.1'), undefined);
  applyAddresses(store, {}, ['never/seen']);
  assert.equal(store.snapshot().generation, 1);
});

test('a store that applies the diffs of another one answers the same, also when it joins late', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const source = createStateStore();
  const follower = createStateStore();
  const step = (update: Parameters<StateStore['apply']>[0]): void => {
    follower.applyDiff(structuredClone(source.apply(update).diff));
  };
  step({ workloads: [testWorkload('a', { ips: ['10.0.0.1'], services: memberOf({}, service) })], services: [service] });
  step({ policies: [testPolicy('p')], workloads: [testWorkload('b', { ips: ['10.0.0.2'] })] });
  step({ addresses: { updated: [], removed: ['Kubernetes//Pod/default/b'] } });
  const late = createStateStore();
  late.applyDiff(structuredClone(source.fullDiff()));
  for (const store of [follower, late]) {
    assert.deepEqual(contentsOf(store), contentsOf(source));
    assert.equal(store.snapshot().generation, 3);
  }
  assert.throws(() => late.applyDiff({ ...source.fullDiff(), replace: false, generation: 9 }), /cannot follow/);
});

function contentsOf(store: StateStore): unknown {
  const { workloads, services, policies, endpoints, workloadsByAddress } = store.snapshot();
  return [
    [...workloads.values()].toSorted((a, b) => a.uid.localeCompare(b.uid)),
    [...services.values()],
    [...policies.values()],
    [...endpoints.keys()],
    [...workloadsByAddress.keys()].toSorted(),
  ];
}

test('ten thousand workloads in one batch all arrive and re-index their service once', () => {
  const service = testService('big');
  const workloads = Array.from({ length: 10_000 }, (_, index) =>
    testWorkload(`w${index}`, { ips: [`10.${index >> 8}.${index & 255}.1`], services: memberOf({}, service) }),
  );
  const store = testStore({ workloads, services: [service] });
  assert.equal(store.snapshot().workloads.size, 10_000);
  assert.equal(store.snapshot().endpoints.get('default/big.default.svc.cluster.local')?.size, 10_000);
  assert.equal(findWorkload(store.snapshot(), '', '10.39.15.1')?.name, 'w9999');
});

test('a refused policy denies in its scope until a good version comes, and a good version survives a bad one', () => {
  const workload = testWorkload('target');
  const store = testStore({ workloads: [workload] });
  const send = (init: MessageInitShape<typeof AuthorizationSchema>) => {
    const resource: Authorization = create(AuthorizationSchema, { name: 'p', namespace: 'default', scope: 1, ...init });
    return store.apply({ authorizations: { updated: [{ name: 'default/p', resource }], removed: [] } });
  };
  const decision = () => {
    const facts = { destination: workload, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 };
    return authorizeL4(store.snapshot(), facts);
  };
  const odd = { groups: [{ rules: [{ matches: [{ sourceIps: [{ address: ip(1, 2), length: 8 }] }] }] }] };
  assert.equal(send(odd).rejects.length, 1);
  const refused = decision();
  assert.equal(!refused.allow && refused.cause, 'broken-policy');
  assert.equal(send({ groups: [{}] }).rejects.length, 0);
  assert.equal(decision().allow, true);
  for (const bad of [
    odd,
    { scope: unknownEnum(7) },
    { action: unknownEnum(9) },
    { groups: [{ rules: [{ matches: [{ principals: [{}] }] }] }] },
  ]) {
    assert.equal(send(bad).rejects.length, 1);
    assert.equal(decision().allow, true);
  }
});

test('a policy with a field that is not known here denies, on whatever level; extensions are ignored', () => {
  const known = toBinary(
    AuthorizationSchema,
    create(AuthorizationSchema, {
      name: 'p',
      namespace: 'default',
      scope: 1,
      groups: [{ rules: [{ matches: [{ destinationPorts: [80] }] }] }],
    }),
  );
  const message = (...parts: readonly (readonly number[])[]): number[] => parts.flat();
  const nested = (number: number, content: readonly number[]): number[] => [
    (number << 3) | 2,
    content.length,
    ...content,
  ];
  const novel = [0x98, 0x06, 1]; // field 99
  const port = nested(9, [80]);
  const cases: readonly (readonly [string, readonly number[], boolean])[] = [
    ['as it is', [...known], true],
    ['extensions of the policy', message([...known], nested(7, [])), true],
    [
      'extensions of a match',
      message([...known], nested(5, nested(1, nested(2, message(port, nested(13, [])))))),
      true,
    ],
    ['a field of the policy', message([...known], novel), false],
    ['a field of a group', message([...known], nested(5, novel)), false],
    ['a field of a rule', message([...known], nested(5, nested(1, novel))), false],
    ['a field of a match', message([...known], nested(5, nested(1, nested(2, message(port, novel))))), false],
  ];
  for (const [name, bytes, isAccepted] of cases) {
    const resource = fromBinary(AuthorizationSchema, Uint8Array.from(bytes));
    const store = createStateStore();
    const { rejects } = store.apply({ authorizations: { updated: [{ name: 'default/p', resource }], removed: [] } });
    assert.equal(rejects.length === 0, isAccepted, name);
    assert.equal(store.snapshot().policies.get('default/p')?.broken === undefined, isAccepted, name);
  }
});
