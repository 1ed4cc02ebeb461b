// Edges of the translation that no recorded case holds; each was compared with a running istiod.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema, type Service, type Workload } from '@ambit/proto/workload';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import type { Model, ModelOptions } from '../index.ts';
import { testModel } from '../testing/index.ts';

const workload = (model: Model, uid: string): Workload | undefined => {
  const bytes = model.addresses.get(uid)?.bytes;
  const { type } = bytes === undefined ? { type: undefined } : fromBinary(AddressSchema, bytes);
  return type?.case === 'workload' ? type.value : undefined;
};
const service = (model: Model, name: string): Service | undefined => {
  const bytes = model.addresses.get(name)?.bytes;
  const { type } = bytes === undefined ? { type: undefined } : fromBinary(AddressSchema, bytes);
  return type?.case === 'service' ? type.value : undefined;
};
const pod = (model: Model, name: string): Workload | undefined => workload(model, `Kubernetes//Pod/apps/${name}`);
const web = 'apps/web.apps.svc.cluster.local';
const gateway = (name: string, metadata: object = {}, spec: object = {}): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace: 'apps', ...metadata },
  spec: {
    gatewayClassName: 'istio-waypoint',
    listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
    ...spec,
  },
  status: { addresses: [{ type: 'Hostname', value: `${name}.apps.svc.cluster.local` }] },
});
const serviceEntry = (name: string, spec: object, metadata: object = {}, status: object = {}): KubernetesObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace: 'apps', ...metadata },
  spec: { ports: [{ name: 'http', number: 80, protocol: 'HTTP' }], ...spec },
  status,
});
const policy = (name: string, spec: object): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name, namespace: 'apps' },
  spec,
});
const slice = (address: string, extra: object = {}): KubernetesObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'slice', namespace: 'apps', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: address.includes(':') ? 'IPv6' : 'IPv4',
  endpoints: [{ addresses: [address], ...extra }],
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});
const owned = (kind: string, name: string, labels: Record<string, string>): object => ({
  labels,
  generateName: 'g-',
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'u', controller: true }],
});
const conditionsOf = (model: Model, kind: string, name: string): string[] =>
  [...model.conditions()]
    .filter((each) => each.kind === kind && each.name === name)
    .flatMap((each) => each.conditions.map((c) => `${c.type} ${c.status} ${c.reason}`));

test('a pod whose owner leaves no name is called by its own', () => {
  const model = testModel([
    testPod('apps', 'a', '10.0.0.1', owned('ReplicaSet', '-abc', { 'pod-template-hash': 'abc' })),
    testPod('apps', 'b', '10.0.0.2', owned('ReplicationController', 'dc-1', { deploymentconfig: '' })),
  ]);
  assert.equal(pod(model, 'a')?.workloadName, 'a');
  assert.equal(pod(model, 'b')?.workloadName, 'dc-1');
});

test('of several Ready conditions the first counts', () => {
  const base = testPod('apps', 'a', '10.0.0.1');
  const conditions = ['False', 'True'].map((status) => ({ type: 'Ready', status }));
  const model = testModel([{ ...base, status: { ...base.status, conditions } }]);
  assert.equal(pod(model, 'a')?.status, 1);
});

test('an empty traffic distribution leaves the choice to the namespace', () => {
  const key = 'networking.istio.io/traffic-distribution';
  const base = testService('apps', 'web', '10.96.0.1', {});
  const model = testModel([
    { ...testNamespace('apps'), metadata: { name: 'apps', annotations: { [key]: 'PreferClose' } } },
    { ...base, metadata: { ...base.metadata, annotations: { [key]: '' } } },
  ]);
  assert.equal(service(model, web)?.loadBalancing?.mode, 2);
});

test('an endpoint of a slice is named by its address as it was written', () => {
  const model = testModel([testService('apps', 'web', '10.96.0.1', {}), slice('2001:DB8::9')]);
  assert.ok(workload(model, 'Kubernetes/discovery.k8s.io/EndpointSlice/apps/slice/2001:DB8::9'));
});

test('a slice that names a pod makes it a member even where the selector does not', () => {
  const targetRef = { kind: 'Pod', namespace: 'apps', name: 'a', uid: 'uid-apps-a' };
  const model = testModel([
    testService('apps', 'web', '10.96.0.1', { app: 'another' }),
    testPod('apps', 'a', '10.0.0.1'),
    slice('10.0.0.1', { targetRef }),
  ]);
  assert.deepEqual(Object.keys(pod(model, 'a')?.services ?? {}), [web]);
});

test('of two ports with one number the last gives the names', () => {
  const base = testService('apps', 'web', '10.96.0.1', { app: 'dns' });
  const ports = [
    { name: 'dns', port: 53, targetPort: 'dns', protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, targetPort: 'dns-tcp', protocol: 'TCP' },
  ];
  const template = testPod('apps', 'a', '10.0.0.1', { labels: { app: 'dns' } });
  const container = { name: 'app', image: 'i', ports: [{ name: 'dns-tcp', containerPort: 5301, protocol: 'TCP' }] };
  const model = testModel([
    { ...base, spec: { ...base.spec, ports } },
    { ...template, spec: { ...template.spec, containers: [container] } },
  ]);
  const targets = pod(model, 'a')?.services[web]?.ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]);
  assert.deepEqual(targets, [
    [53, 5301],
    [53, 5301],
  ]);
});

test('assigned addresses that cannot be read are left out, and the switch turns all of them off', () => {
  const entry = serviceEntry(
    'ext',
    { hosts: ['ext.io'], resolution: 'DNS' },
    {},
    {
      addresses: ['240.240.0.1', 'bad', '2001:2::1'].map((value) => ({ host: 'ext.io', value })),
    },
  );
  const count = (options: Partial<ModelOptions>): number | undefined =>
    service(testModel([entry], options), 'apps/ext.io')?.addresses.length;
  assert.equal(count({}), 2);
  assert.equal(count({ useAssignedAddresses: false }), 0);
});

test('an empty use-waypoint label asks for a waypoint without a name and does not fall back', () => {
  const base = testService('apps', 'web', '10.96.0.1', {});
  const labels = { 'istio.io/use-waypoint': '' };
  const model = testModel([
    testNamespace('apps', { 'istio.io/use-waypoint': 'wp' }),
    gateway('wp'),
    { ...base, metadata: { ...base.metadata, labels } },
  ]);
  assert.equal(service(model, web)?.waypoint, undefined);
  assert.deepEqual(conditionsOf(model, 'Service', 'web'), ['istio.io/WaypointBound False WaypointIsNotReady']);
});

test('a canary weight may carry a sign and zeros', () => {
  const weights = (text: string): number[] | undefined => {
    const base = testService('apps', 'web', '10.96.0.1', {});
    const labels = { 'istio.io/use-waypoint': 'wp', 'istio.io/use-waypoint-canary': 'next' };
    const annotations = { 'istio.io/use-waypoint-canary-weight': text };
    const model = testModel([
      gateway('wp'),
      gateway('next'),
      { ...base, metadata: { ...base.metadata, labels, annotations } },
    ]);
    return service(model, web)?.weightedWaypoints.map(({ weight }) => weight);
  };
  assert.deepEqual(weights('+5'), [95, 5]);
  assert.deepEqual(weights('00020'), [80, 20]);
  assert.deepEqual(weights('-0'), [100, 0]);
  for (const text of ['-1', '101', '5.0', ' 5', '1e1', '']) assert.deepEqual(weights(text), [], text);
});

test('a port of an inbound binding keeps 32 bits, and a binding to NONE has no listener of its own', () => {
  const key = 'ambient.istio.io/waypoint-inbound-binding';
  const instance = testPod('apps', 'a', '10.0.0.1', { labels: { 'gateway.networking.k8s.io/gateway-name': 'wp' } });
  const listeners = [
    { name: 'proxy', port: 15088, protocol: 'istio.io/PROXY', allowedRoutes: { namespaces: { from: 'All' } } },
    { name: 'mesh', port: 15008, protocol: 'HBONE' },
  ];
  const foreign = testPod('other', 'b', '10.0.0.2', {
    labels: { 'istio.io/use-waypoint': 'wp', 'istio.io/use-waypoint-namespace': 'apps' },
  });
  const at = (text: string): Model => {
    const labels = { 'istio.io/waypoint-for': 'all' };
    return testModel([gateway('wp', { annotations: { [key]: text }, labels }, { listeners }), instance, foreign]);
  };
  const isAdmitted = (text: string): boolean => workload(at(text), 'Kubernetes//Pod/other/b')?.waypoint !== undefined;
  assert.equal(pod(at('PROXY/70000'), 'a')?.applicationTunnel?.port, 70_000);
  assert.equal(pod(at('PROXY/99999999999'), 'a')?.applicationTunnel?.port, 0xffff_ffff);
  assert.equal(pod(at('PROXY/x'), 'a')?.applicationTunnel?.port, 0);
  assert.equal(isAdmitted('PROXY'), true);
  assert.equal(isAdmitted('NONE'), false);
});

test('a ServiceEntry reports only hosts that it defines, and a racing connect strategy before a wildcard', () => {
  const created = (creationTimestamp: string, annotations: Record<string, string> = {}): object => ({
    creationTimestamp,
    annotations,
  });
  const spec = { hosts: ['*.wild.io'], resolution: 'NONE' };
  const missing = (reason: string): string[] => [`istio.io/WaypointMissing True ${reason}`];
  const model = testModel([
    serviceEntry('first', spec, created('2026-01-01T00:00:00Z')),
    serviceEntry('second', spec, created('2026-01-02T00:00:00Z')),
    serviceEntry(
      'racing',
      { hosts: ['*.race.io'], resolution: 'NONE' },
      created('2026-01-01T00:00:00Z', { 'istio.io/connect-strategy': 'race_first_tcp_connect' }),
    ),
  ]);
  assert.deepEqual(conditionsOf(model, 'ServiceEntry', 'first'), missing('NoWaypointForWildcardService'));
  assert.deepEqual(conditionsOf(model, 'ServiceEntry', 'second'), []);
  assert.deepEqual(conditionsOf(model, 'ServiceEntry', 'racing'), missing('NoWaypointForRacingConnectStrategy'));
});

test('a policy for an object that defines no service is bound by the labels of the object', () => {
  const base = testService('apps', 'web', '10.96.0.1', {});
  const targetRefs = [{ group: '', kind: 'Service', name: 'web' }];
  const model = testModel([
    gateway('wp'),
    {
      ...base,
      metadata: { ...base.metadata, labels: { 'istio.io/use-waypoint': 'wp' } },
      spec: { type: 'ExternalName', externalName: 'example.com' },
    },
    policy('p', { targetRefs, rules: [{}] }),
  ]);
  assert.deepEqual(conditionsOf(model, 'AuthorizationPolicy', 'p'), ['WaypointAccepted True Accepted']);
});

test('a policy with an empty map of labels holds for every workload of its namespace', () => {
  const model = testModel([
    testPod('apps', 'a', '10.0.0.1', { labels: { app: 'a' } }),
    testPod('other', 'b', '10.0.0.2'),
    policy('all', { selector: { matchLabels: {} }, action: 'DENY', rules: [{}] }),
    policy('none', { selector: {}, action: 'DENY', rules: [{}] }),
  ]);
  assert.deepEqual(pod(model, 'a')?.authorizationPolicies, ['apps/all']);
  assert.deepEqual(workload(model, 'Kubernetes//Pod/other/b')?.authorizationPolicies, []);
});

test('an instance of a waypoint needs no permission of its own, and others list that of their waypoint last', () => {
  const wp = testPod('apps', 'wp-1', '10.0.0.9', { labels: { 'gateway.networking.k8s.io/gateway-name': 'wp' } });
  const first = testPod('apps', 'zz-1', '10.0.0.8', { labels: { 'gateway.networking.k8s.io/gateway-name': 'zz' } });
  const base = testService('apps', 'web', '10.96.0.1', { app: 'a' });
  const labels = { 'istio.io/waypoint-for': 'all' };
  const model = testModel(
    [
      testNamespace('apps', { 'istio.io/use-waypoint': 'wp' }),
      gateway('wp', { labels }),
      gateway('zz', { labels }),
      wp,
      first,
      { ...base, metadata: { ...base.metadata, labels: { 'istio.io/use-waypoint': 'zz' } } },
      testPod('apps', 'a', '10.0.0.1', { labels: { app: 'a' } }),
    ],
    { autoAllowWaypointPolicy: true },
  );
  assert.deepEqual(pod(model, 'wp-1')?.authorizationPolicies, []);
  assert.deepEqual(pod(model, 'a')?.authorizationPolicies, [
    'apps/istio_allow_waypoint_apps_zz',
    'apps/istio_allow_waypoint_apps_wp',
  ]);
});

test('an empty network is that of the cluster, and an endpoint of a slice needs no gateway', () => {
  const networkLabel = { 'topology.istio.io/network': 'n1' };
  const listeners = [{ name: 'cross', port: 15008, protocol: 'HBONE' }];
  const model = testModel([
    testNamespace('istio-system', networkLabel),
    gateway('into', { labels: networkLabel }, { gatewayClassName: 'istio-remote', listeners }),
    testService('apps', 'web', '10.96.0.1', {}),
    slice('10.0.0.5'),
    serviceEntry('ext', { hosts: ['ext.io'], resolution: 'STATIC', endpoints: [{ address: '10.0.0.6', network: '' }] }),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { name: 'vm', namespace: 'apps' },
      spec: { address: '10.0.0.7', network: '' },
    },
  ]);
  const seen = [
    'discovery.k8s.io/EndpointSlice/apps/slice/10.0.0.5',
    'networking.istio.io/ServiceEntry/apps/ext/10.0.0.6',
    'networking.istio.io/WorkloadEntry/apps/vm',
  ].map((name) => workload(model, `Kubernetes/${name}`));
  assert.deepEqual(
    seen.map((each) => [each?.network, each?.networkGateway !== undefined]),
    [
      ['n1', false],
      ['n1', true],
      ['n1', true],
    ],
  );
});

test('a block of addresses is found by its first address, and named with its length', () => {
  const spec = { hosts: ['ext.io'], addresses: ['10.1.0.0/24', '10.2.0.1'], resolution: 'NONE' };
  const { addresses } = testModel([serviceEntry('ext', spec)]);
  assert.deepEqual(addresses.resolve('/10.1.0.0'), ['apps/ext.io']);
  assert.deepEqual(addresses.resolve('/10.2.0.1'), ['apps/ext.io']);
  assert.deepEqual(addresses.resolve('/10.1.0.0/24'), []);
  assert.deepEqual(addresses.get('apps/ext.io')?.aliases, ['/10.1.0.0/24', '/10.2.0.1']);
});
