// Two control planes of different revisions over one Kubernetes API in memory (spec control-plane 8.2): the revision that the tag `default`
// points at takes the locks that all revisions share.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import { testNamespace } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { readConfig, startControlPlane } from '../src/index.ts';

async function start(client: MemoryCluster, revision: string): Promise<AsyncDisposable> {
  const metrics = createMetricsRegistry();
  const app = await startControlPlane({
    config: readConfig({ AMBIT_LISTEN_HOST: '127.0.0.1', POD_NAME: `istiod-${revision}`, REVISION: revision }),
    client,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  return {
    async [Symbol.asyncDispose]() {
      await app.close();
      metrics.close();
    },
  };
}

/** Holder and key by lock. */
function holders(cluster: MemoryCluster): Readonly<Record<string, string>> {
  const leases = cluster
    .objects('Lease')
    .map(({ metadata, spec }): [string, string] => [
      metadata.name ?? '',
      `${spec?.holderIdentity ?? ''} ${metadata.annotations?.['leader.istio.io/holder-key'] ?? '-'}`,
    ]);
  const maps = cluster.objects('ConfigMap').flatMap(({ metadata }): [string, string][] => {
    const text = metadata.annotations?.['control-plane.alpha.kubernetes.io/leader'];
    if (text === undefined) return [];
    const { holderIdentity, holderKey } = JSON.parse(text) as Record<string, string>;
    return [[metadata.name ?? '', `${holderIdentity} ${holderKey}`]];
  });
  return Object.fromEntries([...leases, ...maps]);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
    assert.ok(Date.now() < deadline, what);
}

test('the revision with the tag default takes the locks of all revisions, and leaves each its own', async () => {
  const cluster = memoryCluster();
  cluster.put(testNamespace('istio-system'));
  const tag = (revision: string): void =>
    cluster.put({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: {
        name: 'istio-revision-tag-default',
        labels: { 'istio.io/rev': revision, 'istio.io/tag': 'default' },
      },
    });
  const shared = ['istio-namespace-controller-election', 'istio-status-leader', 'istio-ip-autoallocate'];
  const areAllOf = (holder: string): boolean => shared.every((lock) => holders(cluster)[lock] === holder);
  tag('old');
  await using _old = await start(cluster, 'old');
  await until('the old one holds all', () => areAllOf('istiod-old old'));
  await using _new = await start(cluster, 'new');
  await until('the new one has its own', () => holders(cluster)['istio-gateway-deployment-new'] === 'istiod-new -');
  assert.ok(areAllOf('istiod-old old'), 'a new revision takes nothing by itself');
  tag('new');
  await until('the new one holds all', () => areAllOf('istiod-new new'));
  assert.equal(holders(cluster)['istio-gateway-deployment-old'], 'istiod-old -');
});
