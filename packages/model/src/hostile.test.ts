// Object sets that a tenant may make to confuse others: loops of waypoints, claims on names and addresses, huge objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema, type Service } from '@ambit/proto/workload';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import type { Model } from './index.ts';
import { testModel } from './testing/index.ts';

const service = (model: Model, name: string): Service => {
  const resource = model.addresses.get(name);
  assert.ok(resource, `${name} is published`);
  const { type } = fromBinary(AddressSchema, resource.bytes);
  assert.equal(type.case, 'service');
  return type.value as Service;
};
const waypoint = (namespace: string, name: string, labels: Record<string, string> = {}): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace, labels: { 'istio.io/waypoint-for': 'all', ...labels } },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  status: { addresses: [{ type: 'Hostname', value: `${name}.${namespace}.svc.cluster.local` }] },
});
const labelled = (object: ReturnType<typeof testService>, labels: Record<string, string>): KubernetesObject => ({
  ...object,
  metadata: { ...object.metadata, labels },
});
const serviceEntry = (namespace: string, name: string, spec: object): KubernetesObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace, creationTimestamp: '2020-01-01T00:00:00Z' },
  spec: { ports: [{ name: 'http', number: 80, protocol: 'HTTP' }], ...spec },
});

test('waypoints that name each other as their waypoint are bound one step deep', () => {
  const model = testModel([
    testNamespace('apps', { 'istio.io/use-waypoint': 'a' }),
    waypoint('apps', 'a', { 'istio.io/use-waypoint': 'b' }),
    waypoint('apps', 'b', { 'istio.io/use-waypoint': 'a' }),
    labelled(testService('apps', 'a', '10.96.0.1', {}), { 'istio.io/use-waypoint': 'b' }),
    labelled(testService('apps', 'b', '10.96.0.2', {}), { 'istio.io/use-waypoint': 'a' }),
    testPod('apps', 'a-1', '10.0.0.1', { labels: { 'gateway.networking.k8s.io/gateway-name': 'a' } }),
  ]);
  const hostOf = ({ waypoint: bound }: Service): unknown => bound?.destination.value;
  assert.match(JSON.stringify(hostOf(service(model, 'apps/a.apps.svc.cluster.local'))), /"b\.apps/u);
  assert.match(JSON.stringify(hostOf(service(model, 'apps/b.apps.svc.cluster.local'))), /"a\.apps/u);
  assert.deepEqual(model.problems(), []);
});

test('a ServiceEntry of another namespace takes neither the name nor the address of a waypoint', () => {
  const host = 'wp.apps.svc.cluster.local';
  const objects = [waypoint('apps', 'wp'), testService('apps', 'wp', '10.96.0.1', {})];
  const claim = serviceEntry('evil', 'claim', { hosts: [host], addresses: ['10.96.0.1'], resolution: 'DNS' });
  const model = testModel([...objects, claim]);
  assert.equal(service(model, `apps/${host}`).canonical, true);
  assert.equal(service(model, `evil/${host}`).canonical, false);
  const alone = testModel(objects);
  assert.deepEqual(model.addresses.get(`apps/${host}`)?.bytes, alone.addresses.get(`apps/${host}`)?.bytes);
  // Who asks by address gets the same answer whichever object came first.
  assert.deepEqual(
    model.addresses.resolve('/10.96.0.1'),
    testModel([claim, ...objects]).addresses.resolve('/10.96.0.1'),
  );
});

test('in its own namespace a Service keeps its name from an older ServiceEntry', () => {
  const host = 'web.apps.svc.cluster.local';
  const model = testModel([
    serviceEntry('apps', 'old', { hosts: [host], resolution: 'STATIC', endpoints: [{ address: '192.0.2.1' }] }),
    testService('apps', 'web', '10.96.0.1', {}),
  ]);
  assert.equal(service(model, `apps/${host}`).name, 'web');
  assert.equal(model.addresses.get('Kubernetes/networking.istio.io/ServiceEntry/apps/old/192.0.2.1'), undefined);
});

test('a change beside a service of ten thousand ports leaves it alone', () => {
  const ports = Array.from({ length: 10_000 }, (_, index) => ({
    name: `http-${index}`,
    port: index + 1,
    targetPort: 80,
  }));
  const base = testService('apps', 'huge', '10.96.0.1', { app: 'a' });
  const model = testModel([
    { ...base, spec: { ...base.spec, ports } },
    testPod('apps', 'a', '10.0.0.1', { labels: { app: 'a' } }),
  ]);
  assert.equal(service(model, 'apps/huge.apps.svc.cluster.local').ports.length, 10_000);
  const before = model.recomputed;
  const diff = model.apply([{ type: 'upsert', object: testPod('apps', 'b', '10.0.0.2', { labels: { app: 'b' } }) }]);
  assert.deepEqual([...diff.addresses.updated], ['Kubernetes//Pod/apps/b']);
  assert.equal(model.recomputed - before, 1);
});

test('very many ports in many services stay a bounded message; small services keep theirs, and operators are told', () => {
  const portsOf = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ name: `http-${index}`, port: index + 1, targetPort: 80 }));
  const sized = (name: string, count: number): KubernetesObject => {
    const base = testService('apps', name, 'None', { app: 'a' });
    return { ...base, spec: { ...base.spec, ports: portsOf(count) } } as KubernetesObject;
  };
  const huge = Array.from({ length: 10 }, (_, index) => sized(`huge-${index}`, 10_000));
  const pod = testPod('apps', 'a', '10.0.0.1', { labels: { app: 'a' } });
  const model = testModel([...huge, sized('a-small', 3), sized('small', 2), pod]);
  const uid = 'Kubernetes//Pod/apps/a';
  const { bytes } = model.addresses.get(uid) ?? {};
  assert.ok(bytes && bytes.length < 200_000, `${bytes?.length} bytes`);
  const { type } = fromBinary(AddressSchema, bytes);
  assert.ok(type.case === 'workload');
  const { services } = type.value;
  assert.equal(Object.keys(services).length, 12);
  assert.equal(services['apps/small.apps.svc.cluster.local']?.ports.length, 2);
  assert.equal(services['apps/a-small.apps.svc.cluster.local']?.ports.length, 3);
  assert.ok(Object.values(services).every(({ ports }) => ports.length <= 3));
  assert.deepEqual(
    model.problems().map(({ subject }) => subject),
    ['Pod apps/a'],
  );
  model.apply(
    huge.map((one) => ({ type: 'delete', kind: 'Service', namespace: 'apps', name: one.metadata?.name ?? '' })),
  );
  assert.deepEqual(model.problems(), []);
});

test('a ServiceEntry of very many hosts, ports and endpoints is refused alone', () => {
  const many = (count: number, make: (index: number) => unknown): unknown[] =>
    Array.from({ length: count }, (_, index) => make(index));
  const spec = {
    hosts: many(256, (i) => `h${i}.example.com`),
    ports: many(256, (i) => ({ number: i + 1, name: `p${i}`, protocol: 'TCP' })),
    resolution: 'STATIC',
    endpoints: many(4096, (i) => ({ address: `10.1.${i >> 8}.${i & 255}` })),
  };
  const good = serviceEntry('apps', 'good', {
    hosts: ['good.example.com'],
    resolution: 'STATIC',
    endpoints: [{ address: '192.0.2.1' }],
  });
  const model = testModel([serviceEntry('apps', 'bomb', spec), good]);
  assert.ok(model.addresses.get('Kubernetes/networking.istio.io/ServiceEntry/apps/good/192.0.2.1'));
  assert.equal(model.addresses.get('Kubernetes/networking.istio.io/ServiceEntry/apps/bomb/10.1.0.0'), undefined);
  const [problem, ...more] = model.problems();
  assert.equal(more.length, 0);
  assert.match(problem?.message ?? '', /at most 262144/);
});
