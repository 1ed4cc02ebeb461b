// A control plane for a cluster that it does not run in (spec control-plane 8.3 M1, M6): kubeconfigs in a folder, roots and webhooks of another
// cluster. Both clusters are API servers of the local cluster, as processes.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterNameOf } from '@ambit/kube';
import type { ConfigMap, KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { readFile } from 'node:fs/promises';
import { readConfig, startControlPlane } from '../src/index.ts';
import { localCluster } from './local-cluster.ts';

const SYSTEM = 'istio-system';

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await condition()); await delay(50))
    assert.ok(Date.now() < deadline, what);
}

const namespace = (name: string, annotations: Record<string, string> = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, annotations },
});

test('it leads in another cluster while that one says so, and forgets it with its file', async () => {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await localCluster());
  const far = stack.use(await localCluster());
  const folder = await mkdtemp(join(tmpdir(), 'ambit-t-folder-'));
  stack.defer(async () => rm(folder, { recursive: true }));
  await own.client.create(namespace(SYSTEM));
  await far.client.create(namespace(SYSTEM));
  await far.client.create(namespace('apps'));
  await far.client.create({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'istio-sidecar-injector', labels: { 'istio.io/rev': 'default' } },
    webhooks: [
      {
        name: 'namespace.sidecar-injector.istio.io',
        clientConfig: { url: 'https://istiod.example/inject' },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        failurePolicy: 'Ignore',
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
        objectSelector: { matchLabels: { inject: 'yes' } },
      },
    ],
  });

  const metrics = createMetricsRegistry();
  stack.defer(() => metrics.close());
  const app = await startControlPlane({
    config: readConfig({
      AMBIT_LISTEN_HOST: '127.0.0.1',
      CLUSTER_ID: 'own',
      EXTERNAL_ISTIOD: 'true',
      PILOT_MULTICLUSTER_KUBECONFIG_PATH: folder,
    }),
    client: own.client,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  stack.defer(async () => app.close());
  const stateOf = async (id: string): Promise<string | undefined> => {
    const answer = await fetch(`http://127.0.0.1:${app.ports.monitoring}/debug/clusterz`);
    const infos = (await answer.json()) as { id: string; syncStatus: string }[];
    return infos.find((info) => info.id === id)?.syncStatus;
  };
  const mapOf = async (where: string, name: string): Promise<ConfigMap | undefined> =>
    far.client.get({ kind: 'ConfigMap', namespace: where, name });
  const leader = async (): Promise<Record<string, unknown>> => {
    const lock = await mapOf(SYSTEM, 'istio-namespace-controller-election');
    const text = lock?.metadata.annotations?.['control-plane.alpha.kubernetes.io/leader'];
    return text === undefined ? {} : (JSON.parse(text) as Record<string, unknown>);
  };

  const farId = clusterNameOf(await readFile(far.kubeconfig, 'utf8'));
  await copyFile(far.kubeconfig, join(folder, 'far.yaml'));
  await until('the cluster of the file', async () => (await stateOf(farId)) === 'synced');
  await delay(500);
  assert.deepEqual([await leader(), await mapOf('apps', 'istio-ca-root-cert')], [{}, undefined], 'nobody asked for us');

  const annotate = async (ids: string | null): Promise<unknown> =>
    far.client.patch(
      { kind: 'Namespace', name: SYSTEM },
      { metadata: { annotations: { 'topology.istio.io/controlPlaneClusters': ids } } },
      { type: 'merge' },
    );
  await annotate('other,own');
  await until('the root there', async () => {
    const map = await mapOf('apps', 'istio-ca-root-cert');
    return map?.data?.['root-cert.pem'] === app.rootPem;
  });
  assert.equal((await leader())['holderKey'], '^default');
  await until('the webhook there', async () => {
    const hook = (await far.client.get({ kind: 'MutatingWebhookConfiguration', name: 'istio-sidecar-injector' })) as
      | { webhooks?: { clientConfig?: { caBundle?: string } }[] }
      | undefined;
    return hook?.webhooks?.[0]?.clientConfig?.caBundle === Buffer.from(app.rootPem).toString('base64');
  });

  await annotate(null);
  await until('the lock is released', async () => (await leader())['holderIdentity'] === '');
  await annotate('*');
  await until('it leads again', async () => (await leader())['holderIdentity'] !== '');

  await rm(join(folder, 'far.yaml'));
  await until('the cluster is forgotten', async () => (await stateOf(farId)) === undefined);
  await until('its lock is released', async () => (await leader())['holderIdentity'] === '');
});
