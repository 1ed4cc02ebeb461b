import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import type { Gateway } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { DEFAULT_CLASS_FEATURES } from './class-info.ts';
import { deployGateways } from './deployer.ts';
import { gatewayValues } from './gateway-values.ts';
import type { RenderSettings } from './render.ts';

const settings: RenderSettings = {
  image: 'ambit/proxyv2',
  systemNamespace: 'istio-system',
  revision: '',
  clusterId: 'Kubernetes',
  domain: 'cluster.local',
  trustDomain: 'cluster.local',
  meshId: 'cluster.local',
  network: '',
  proxyConfig: {},
  copiesMetadata: true,
  waypoints: true,
  values: gatewayValues({}),
};

function gateway(className: string, spec: object = {}, metadata: object = {}): Gateway {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gw', namespace: 'apps', uid: 'u1', ...metadata },
    spec: { gatewayClassName: className, listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }], ...spec },
  };
}

/** Runs a deployer until it has nothing to do; gives the verbs and kinds that it wrote. */
async function deploy(
  cluster: MemoryCluster,
  changes: Partial<RenderSettings> = {},
  features = DEFAULT_CLASS_FEATURES,
): Promise<string[]> {
  const stop = new AbortController();
  const before = cluster.writes.length;
  const deployer = deployGateways({
    client: cluster,
    settings: () => ({ ...settings, ...changes }),
    features,
    log: silentLogger,
    signal: stop.signal,
  });
  await deployer.idle();
  stop.abort();
  return cluster.writes.slice(before).map(({ verb, object }) => `${verb} ${object.kind ?? 'Gateway'}`);
}

const ALL = ['patch status Gateway', 'apply ServiceAccount', 'apply Deployment', 'apply Service'];

test('a restarted control plane writes nothing, and a changed setting writes only what changes', async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  assert.deepEqual(await deploy(cluster), ALL);
  assert.deepEqual(await deploy(cluster), []);
  assert.deepEqual(await deploy(cluster, { image: 'ambit/proxyv2:next' }), ['apply Deployment']);
  assert.deepEqual(await deploy(cluster, { image: 'ambit/proxyv2:next' }), []);
});

test('a field that we applied once and want no longer is taken back after a restart', async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  await deploy(cluster, { values: gatewayValues({ global: { waypoint: { nodeSelector: { disk: 'ssd' } } } }) });
  assert.deepEqual(await deploy(cluster), ['apply Deployment']);
});

test('what somebody else changed is put right after a restart', async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  await deploy(cluster);
  const ref = { kind: 'Service', namespace: 'apps', name: 'gw' } as const;
  await cluster.patch(ref, { spec: { type: 'NodePort' } }, { type: 'merge' });
  assert.deepEqual(await deploy(cluster), ['apply Service']);
});

test('an east-west gateway is deployed where several networks are on, and asks for the view of its network', async () => {
  const cluster = memoryCluster();
  const labels = { 'topology.istio.io/network': 'n1' };
  cluster.put(gateway('istio-east-west', {}, { labels }));
  assert.deepEqual(await deploy(cluster), []);
  await deploy(cluster, {}, { ...DEFAULT_CLASS_FEATURES, eastWest: true });
  const [deployment] = cluster.objects('Deployment');
  const container = deployment?.spec?.template?.spec.containers[0] as
    | { env?: { name: string; value?: string }[] }
    | undefined;
  const env = container?.env ?? [];
  assert.equal(env.find((v) => v.name === 'ISTIO_META_REQUESTED_NETWORK_VIEW')?.value, 'n1');
  assert.equal(deployment?.metadata.labels?.['gateway.istio.io/managed'], 'istio.io-eastwest-controller');
  assert.equal(cluster.objects('Service')[0]?.spec?.type, 'LoadBalancer');
});

test('pods of a role that no proxy takes are not deployed', async () => {
  for (const name of ['istio', 'istio-east-west']) {
    const cluster = memoryCluster();
    cluster.put(gateway(name));
    const features = { ...DEFAULT_CLASS_FEATURES, eastWest: true, deploysGateways: false };
    assert.deepEqual(await deploy(cluster, {}, features), [], name);
  }
});

test('infrastructure labels replace those of the Gateway, and cannot say whose object it is', async () => {
  const cluster = memoryCluster();
  const infrastructure = {
    labels: { team: 'a', 'gateway.networking.k8s.io/gateway-name': 'other', 'service.istio.io/canonical-name': 'mine' },
  };
  cluster.put(gateway('istio-waypoint', { infrastructure }, { labels: { own: 'x' } }));
  await deploy(cluster);
  const [deployment] = cluster.objects('Deployment');
  assert.deepEqual(deployment?.metadata.labels, {
    team: 'a',
    'service.istio.io/canonical-name': 'mine',
    'gateway.istio.io/managed': 'istio.io-mesh-controller',
    'gateway.networking.k8s.io/gateway-class-name': 'istio-waypoint',
    'gateway.networking.k8s.io/gateway-name': 'gw',
  });
  const podLabels = deployment?.spec?.template?.metadata?.labels;
  assert.equal(podLabels?.['service.istio.io/canonical-name'], 'mine');
});

test('a Deployment from an old release keeps the selector that it can never change', async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  const labels = { 'istio.io/gateway-name': 'gw' };
  cluster.put({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'gw', namespace: 'apps', labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [] } } },
  });
  await deploy(cluster);
  const [deployment] = cluster.objects('Deployment');
  assert.deepEqual(deployment?.spec?.selector, { matchLabels: labels });
  assert.equal(deployment?.spec?.template?.metadata?.labels?.['istio.io/gateway-name'], 'gw');
});

test("a Deployment that runs upstream's proxy is left alone until it may be replaced", async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  const container = { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.32.0' };
  cluster.put({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'gw', namespace: 'apps', labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
    spec: { selector: { matchLabels: {} }, template: { spec: { containers: [container] } } },
  });
  assert.deepEqual(await deploy(cluster), ['patch status Gateway', 'apply ServiceAccount', 'apply Service']);
  assert.deepEqual(await deploy(cluster, { replacesForeign: true }), ['apply Deployment']);
});

test('our own image from a mirror is no foreign one', async () => {
  const cluster = memoryCluster();
  cluster.put(gateway('istio-waypoint'));
  await deploy(cluster, { image: 'mirror.example/ambit/proxyv2:1' });
  assert.deepEqual(await deploy(cluster, { image: 'ambit/proxyv2:2' }), ['apply Deployment']);
});

test('the Service of an ingress Gateway has the ports of the ListenerSets that it allows, and of no other', async () => {
  const cluster = memoryCluster();
  const allowedListeners = { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } };
  const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }];
  cluster.put(gateway('istio', { listeners, allowedListeners }));
  for (const [name, labels] of [
    ['mine', { team: 'a' }],
    ['others', { team: 'b' }],
  ] as const)
    cluster.put({ kind: 'Namespace', metadata: { name, labels } });
  const set = (namespace: string, port: number, parent = 'gw'): void =>
    cluster.put({
      kind: 'ListenerSet',
      metadata: { namespace, name: `set-${port}` },
      spec: {
        parentRef: { name: parent, namespace: 'apps' },
        listeners: [{ name: `p${port}`, port, protocol: 'HTTP' }],
      },
    });
  set('mine', 8080);
  set('mine', 9090, 'other');
  set('others', 7070);
  await deploy(cluster);
  const portsOf = (): number[] | undefined =>
    cluster
      .objects('Service')
      .find(({ metadata }) => metadata.name === 'gw-istio')
      ?.spec?.ports?.map(({ port }) => port);
  assert.deepEqual(portsOf(), [15021, 80, 8080]);
  set('mine', 8081);
  assert.deepEqual(await deploy(cluster), ['apply Service']);
  assert.deepEqual(portsOf(), [15021, 80, 8080, 8081]);
});

test('scalers and budgets come by server-side apply when the parameters of a Gateway ask for them, and follow the parameters', async () => {
  const cluster = memoryCluster();
  const parametersRef = { group: '', kind: 'ConfigMap', name: 'sizes' };
  cluster.put(gateway('istio-waypoint', { infrastructure: { parametersRef } }));
  assert.deepEqual(await deploy(cluster), ['patch status Gateway'], 'nothing without the parameters');
  const sizes = (minReplicas: number): void =>
    cluster.put({
      kind: 'ConfigMap',
      metadata: { namespace: 'apps', name: 'sizes' },
      data: {
        horizontalPodAutoscaler: JSON.stringify({ spec: { minReplicas, maxReplicas: 5 } }),
        podDisruptionBudget: JSON.stringify({ spec: { minAvailable: 1 } }),
      },
    });
  sizes(2);
  assert.deepEqual(await deploy(cluster), [
    ...ALL.slice(1),
    'apply HorizontalPodAutoscaler',
    'apply PodDisruptionBudget',
  ]);
  const scaler = cluster.objects('HorizontalPodAutoscaler')[0] as { spec?: object } | undefined;
  assert.deepEqual(scaler?.spec, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gw' },
    minReplicas: 2,
    maxReplicas: 5,
  });
  assert.deepEqual(await deploy(cluster), [], 'a restart writes nothing');
  sizes(3);
  assert.deepEqual(await deploy(cluster), ['apply HorizontalPodAutoscaler']);
});
