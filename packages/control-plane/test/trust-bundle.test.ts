// The root certificate as a ClusterTrustBundle, against the API server of the local cluster as a process: the control plane publishes it beside
// the ConfigMaps, and the server takes what belongs to its signer only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeError } from '@ambit/kube';
import type { ConfigMap, KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { readConfig, startControlPlane } from '../src/index.ts';
import { localCluster } from './local-cluster.ts';

const NAME = 'istio.io:istiod-ca:root-cert';

test('the root is published as a bundle of its signer, beside the ConfigMaps', async () => {
  await using stack = new AsyncDisposableStack();
  const { client } = stack.use(await localCluster());
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } });
  const metrics = createMetricsRegistry();
  stack.defer(() => metrics.close());
  const app = await startControlPlane({
    config: readConfig({ AMBIT_LISTEN_HOST: '127.0.0.1', ENABLE_CLUSTER_TRUST_BUNDLE_API: 'true' }),
    client,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  stack.defer(async () => app.close());
  let bundle: KubernetesObject | undefined;
  let map: ConfigMap | undefined;
  for (const deadline = Date.now() + 60_000; bundle === undefined || map === undefined; await delay(50)) {
    assert.ok(Date.now() < deadline, 'both in time');
    bundle = await client.get({ kind: 'ClusterTrustBundle', name: NAME });
    map = await client.get({ kind: 'ConfigMap', namespace: 'default', name: 'istio-ca-root-cert' });
  }
  assert.deepEqual(bundle['spec'], { signerName: 'istio.io/istiod-ca', trustBundle: app.rootPem });
  assert.equal(map.data?.['root-cert.pem'], app.rootPem);
  const foreign = { ...bundle, metadata: { name: 'example.com:ca:root' } };
  await assert.rejects(client.create(foreign), (error) => KubeError.is(error, 'ERR_KUBE_INVALID'));
});
