import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema, type Service, type Workload } from '@ambit/proto/workload';
import type { KubernetesObject } from '@ambit/resources';
import { testPod, testService } from '@ambit/resources/testing';
import { ipText } from '../ip.ts';
import type { Model, ObjectChange } from '../model.ts';
import { testModel } from '../testing/index.ts';
import { RemoteCluster } from './remote-cluster.ts';

const GLOBAL = { matchLabels: { 'istio.io/global': 'true' } };
const options = { multiNetwork: true, globalServiceSelectors: [{ namespace: undefined, service: GLOBAL }] };
const HOST = 'apps/web.apps.svc.cluster.local';

const system = (network: string): KubernetesObject => ({
  kind: 'Namespace',
  apiVersion: 'v1',
  metadata: { name: 'istio-system', labels: { 'topology.istio.io/network': network } },
});
function web(ip: string, isGlobal = true): KubernetesObject {
  const service = testService('apps', 'web', ip, { app: 'web' });
  return { ...service, metadata: { ...service.metadata, labels: isGlobal ? { 'istio.io/global': 'true' } : {} } };
}
function pod(name: string, ip: string, serviceAccountName = 'web'): KubernetesObject {
  const made = testPod('apps', name, ip, { labels: { app: 'web' } });
  return { ...made, spec: { containers: [], ...made.spec, serviceAccountName } };
}
const eastWest = (address: string): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'ew', namespace: 'istio-system', labels: { 'topology.istio.io/network': 'far' } },
  spec: {
    gatewayClassName: 'istio-east-west',
    listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE', tls: { mode: 'Terminate' } }],
  },
  status: { addresses: [{ type: 'IPAddress', value: address }] },
});

const upserts = (...objects: readonly KubernetesObject[]): ObjectChange[] =>
  objects.map((object) => ({ type: 'upsert', object }));

function remote(model: Model, id: string, ...objects: readonly KubernetesObject[]): RemoteCluster {
  const cluster = new RemoteCluster(id, model.options);
  cluster.apply(upserts(...objects));
  return cluster;
}

function workload(model: Model, name: string): Workload | undefined {
  const resource = model.addresses.get(name);
  const type = resource && fromBinary(AddressSchema, resource.bytes).type;
  return type?.case === 'workload' ? type.value : undefined;
}
function service(model: Model, name = HOST): Service | undefined {
  const resource = model.addresses.get(name);
  const type = resource && fromBinary(AddressSchema, resource.bytes).type;
  return type?.case === 'service' ? type.value : undefined;
}
const addressesOf = ({ addresses }: Service): string[] => addresses.map((a) => `${a.network}/${ipText(a.address)}`);
const names = (model: Model): string[] => [...model.addresses.all()].map(({ name }) => name).toSorted();
const STAND_IN = `far/SplitHorizonWorkload/istio-system/ew/10.9.0.1/${HOST}`;

test('workloads of another network are reached through one stand-in; a cluster that goes leaves nothing', () => {
  const model = testModel([system('near'), web('10.96.0.1'), pod('a', '10.0.0.1')], options);
  const before = names(model);
  const far = remote(
    model,
    'c2',
    system('far'),
    web('10.97.0.1'),
    pod('b', '10.1.0.1'),
    pod('c', '10.1.0.2'),
    eastWest('10.9.0.1'),
  );
  const diff = model.setRemote('c2', far);
  assert.deepEqual(
    [...diff.addresses.updated].toSorted(),
    ['NetworkGateway/far/10.9.0.1/0', HOST, STAND_IN].toSorted(),
  );
  const standIn = workload(model, STAND_IN);
  assert.deepEqual(
    [standIn?.capacity, standIn?.clusterId, standIn?.network, standIn?.networkGateway?.hboneMtlsPort],
    [2, 'c2', 'far', 15008],
  );
  const merged = service(model);
  assert.deepEqual(merged && addressesOf(merged), ['far/10.97.0.1', 'near/10.96.0.1']);
  assert.deepEqual(merged?.subjectAltNames, ['spiffe://cluster.local/ns/apps/sa/web']);
  assert.equal(workload(model, 'c2//Pod/apps/b'), undefined);

  model.applyRemote('c2', [{ type: 'delete', kind: 'Pod', namespace: 'apps', name: 'c' }]);
  assert.equal(workload(model, STAND_IN)?.capacity, 1);
  model.setRemote('c2', undefined);
  assert.deepEqual(names(model), before);
  assert.deepEqual(service(model)?.subjectAltNames, []);
});

test('a workload of another cluster in our own network is published as it is, with policies of ours', () => {
  const model = testModel([system('near'), web('10.96.0.1')], options);
  const same = remote(model, 'c2', system('near'), web('10.97.0.1'), pod('b', '10.0.1.1'));
  same.apply(
    upserts({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { namespace: 'apps', name: 'deny' },
      spec: { selector: { matchLabels: { app: 'web' } }, action: 'DENY', rules: [{}] },
    }),
  );
  model.setRemote('c2', same);
  const published = workload(model, 'c2//Pod/apps/b');
  assert.deepEqual([published?.clusterId, published?.network], ['c2', 'near']);
  assert.deepEqual(published?.authorizationPolicies, ['apps/deny']);
  assert.deepEqual(Object.keys(published?.services ?? {}), [HOST]);
  assert.deepEqual(model.addresses.resolve('near/10.0.1.1'), ['c2//Pod/apps/b']);
});

test('a global Service that only another cluster has is known here, a local one of it is not', () => {
  const model = testModel([system('near')], options);
  const far = remote(model, 'c2', system('far'), web('10.97.0.1'), pod('b', '10.1.0.1'), eastWest('10.9.0.1'));
  model.setRemote('c2', far);
  assert.ok(service(model));
  assert.ok(workload(model, STAND_IN));
  model.applyRemote('c2', upserts(web('10.97.0.1', false)));
  assert.equal(service(model), undefined);
  assert.equal(workload(model, STAND_IN), undefined);
  model.applyRemote('c2', upserts(web('10.97.0.1')));
  assert.ok(service(model));
});

test('a local Service that is not global is not merged, and without the switch other clusters do not exist', () => {
  const far = [system('far'), web('10.97.0.1'), pod('b', '10.1.0.1'), eastWest('10.9.0.1')];
  for (const [local, given] of [
    [web('10.96.0.1', false), options],
    [web('10.96.0.1'), { ...options, multiNetwork: false }],
  ] as const) {
    const model = testModel([system('near'), local], given);
    model.setRemote('c2', remote(model, 'c2', ...far));
    const known = service(model);
    assert.deepEqual(known && addressesOf(known), ['near/10.96.0.1']);
    assert.equal(workload(model, STAND_IN), undefined);
  }
});

test('what a mesh looks like does not depend on the order in which clusters come', () => {
  const build = (ids: readonly string[]): string[] => {
    const model = testModel([system('near'), web('10.96.0.1')], options);
    for (const id of ids) {
      const objects = [system('far'), web(`10.97.0.${id.length}`), pod(id, '10.1.0.1', id), eastWest('10.9.0.1')];
      model.setRemote(id, remote(model, id, ...objects));
    }
    return [...model.addresses.all()].map(({ name, version }) => `${name} ${version}`).toSorted();
  };
  assert.deepEqual(build(['c2', 'c33']), build(['c33', 'c2']));
});
