import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import { createMemoryObjectApi } from '../testing/memory-object-api.ts';
import type { AnyObject, Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service } from './objects.ts';
import { startControllers } from './start-controllers.ts';

interface World extends Disposable {
  readonly api: ObjectApi;
  readonly settle: (isDone: () => boolean) => Promise<void>;
  readonly makeReady: () => Promise<void>;
}

async function startWorld(): Promise<World> {
  const api = createMemoryObjectApi();
  for (const name of ['node-1', 'node-2']) {
    const node: Node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: {},
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    };
    await api.create('nodes', node);
  }
  const controllers = startControllers(api, silentLogger, 'the CA');
  await api.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  return {
    api,
    settle: async (isDone) => {
      for (let turn = 0; turn < 5000 && !isDone(); turn += 1) await new Promise(setImmediate);
      assert.ok(isDone(), 'the controllers did not get there');
    },
    // What the node runtime would do.
    makeReady: async () => {
      const pods = api.list<Pod>('pods').items;
      await Promise.all(
        pods.map(async (pod, index) => {
          if (pod.metadata.deletionTimestamp !== undefined) {
            await api.delete('pods', pod.metadata.name, pod.metadata.namespace, { gracePeriodSeconds: 0 });
            return;
          }
          const status = {
            phase: 'Running',
            podIP: pod.status?.podIP ?? `10.244.1.${index + 2}`,
            conditions: [{ type: 'Ready', status: 'True' }],
          };
          await api.patch('pods', pod.metadata.name, pod.metadata.namespace, { status }, { subresource: 'status' });
        }),
      );
    },
    [Symbol.dispose]: () => controllers.close(),
  };
}

const deploymentOf = (image: string): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

const statusOf = (api: ObjectApi): Record<string, unknown> =>
  api.get<Deployment>('deployments.apps', 'web', 'shop')?.status ?? {};

test('a deployment becomes pods spread over the nodes, rolls to a new template and keeps the old set for undo', async () => {
  using world = await startWorld();
  const { api, settle, makeReady } = world;
  await api.create('deployments.apps', deploymentOf('one'));
  await settle(() => api.list<Pod>('pods').items.filter((pod) => pod.spec.nodeName !== undefined).length === 3);
  const nodes = api.list<Pod>('pods').items.map((pod) => pod.spec.nodeName);
  assert.deepEqual(new Set(nodes), new Set(['node-1', 'node-2']));
  await makeReady();
  await settle(() => statusOf(api)['availableReplicas'] === 3);

  await api.patch('deployments.apps', 'web', 'shop', { spec: deploymentOf('two').spec });
  const isRolledOut = (): boolean => {
    const status = statusOf(api);
    const counts = [
      status['observedGeneration'],
      status['updatedReplicas'],
      status['replicas'],
      status['availableReplicas'],
    ];
    return counts.join() === '2,3,3,3';
  };
  for (let round = 0; round < 40 && !isRolledOut(); round += 1) {
    await makeReady();
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  }
  assert.ok(isRolledOut());
  const sets = api.list<ReplicaSet>('replicasets.apps').items;
  assert.deepEqual(
    sets.map((set) => set.spec.replicas ?? 0).sort((a, b) => a - b),
    [0, 3],
  );
});

test('a load balancer gets an address and follows readiness; a second one never gets the same address', async () => {
  using world = await startWorld();
  const { api, settle, makeReady } = world;
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }] },
  };
  await api.create('services', service);
  await api.create('services', { ...service, metadata: { name: 'other', namespace: 'shop' } } as Service);
  await api.create('deployments.apps', deploymentOf('one'));
  const addressOf = (name: string): string | undefined =>
    api.get<Service>('services', name, 'shop')?.status?.loadBalancer?.ingress?.[0]?.ip;
  await settle(
    () => addressOf('web') !== undefined && addressOf('other') !== undefined && api.list('pods').items.length === 3,
  );
  assert.notEqual(addressOf('web'), addressOf('other'));
  await makeReady();
  const ready = (): number =>
    api
      .list<EndpointSlice>('endpointslices.discovery.k8s.io', { labelSelector: 'kubernetes.io/service-name=web' })
      .items.flatMap((slice) => slice.endpoints ?? [])
      .filter((each) => each.conditions?.ready === true).length;
  await settle(() => ready() === 3);
});

test('dependents follow a deleted owner', async () => {
  using world = await startWorld();
  const { api, settle } = world;
  await api.create('deployments.apps', deploymentOf('one'));
  await settle(() => api.list('pods').items.length === 3);
  await api.delete('deployments.apps', 'web', 'shop');
  await settle(() => api.list('replicasets.apps').items.length === 0);
  await settle(() => api.list<Pod>('pods').items.every((pod) => pod.metadata.deletionTimestamp !== undefined));
});

test('a namespace holds its first objects at once', async () => {
  using world = await startWorld();
  const { api, settle } = world;
  await settle(
    () =>
      api.get('serviceaccounts', 'default', 'shop') !== undefined &&
      api.get('configmaps', 'kube-root-ca.crt', 'shop') !== undefined,
  );
  assert.equal(api.get<AnyObject>('namespaces', 'shop')?.metadata.labels?.['kubernetes.io/metadata.name'], 'shop');
});

test('an autoscaler keeps its target between the bounds, and says that nothing is measured', async () => {
  using world = await startWorld();
  const { api, settle } = world;
  await api.create('deployments.apps', deploymentOf('one'));
  const autoscaler = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 2,
    },
  };
  const replicas = (): number | undefined => api.get<Deployment>('deployments.apps', 'web', 'shop')?.spec.replicas;
  const stored = (): AnyObject & { status?: { conditions?: { reason: string }[] } } =>
    api.get('horizontalpodautoscalers.autoscaling', 'web', 'shop') as never;
  await api.create('horizontalpodautoscalers.autoscaling', autoscaler as AnyObject);
  await settle(() => replicas() === 2);
  const bounds = { spec: { minReplicas: 5, maxReplicas: 6 } };
  await api.patch('horizontalpodautoscalers.autoscaling', 'web', 'shop', bounds);
  await settle(() => replicas() === 5);
  await api.patch('deployments.apps', 'web', 'shop', { spec: { replicas: 0 } });
  const reasons = (): string => (stored().status?.conditions ?? []).map(({ reason }) => reason).join();
  await settle(() => reasons() === 'SucceededGetScale,ScalingDisabled');
  assert.equal(replicas(), 0);
});
