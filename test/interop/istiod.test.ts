// A real istiod (AMBIT_PEER_ISTIOD names its program, pilot-discovery) against the local cluster: it becomes ready, elects
// itself, writes its root certificate into every namespace, and tells the cluster's workloads over xDS.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema } from '@ambit/proto/workload';
import { customResourceDefinitions } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { anyHandler, createXdsClient } from '@ambit/xds';
import { startIstiod } from '../fixtures/istiod.ts';
import { startTestCluster, webImage, webObjects } from '../fixtures/local-cluster.ts';
import { notRun, versionOf } from '../fixtures/run-client.ts';

const program = process.env['AMBIT_PEER_ISTIOD'];
const skip = program === undefined || program === '' ? notRun('istiod (pilot-discovery)', 'AMBIT_PEER_ISTIOD') : false;

test(
  'a real istiod becomes ready on the local cluster and serves its workloads',
  { skip, timeout: 180_000 },
  async () => {
    console.log(`istiod: ${versionOf(program ?? '', ['version'])}`);
    await using cluster = await startTestCluster('loopback', [webImage]);
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } };
    await cluster.api('POST', '/api/v1/namespaces', namespace);
    for (const definition of customResourceDefinitions())
      await cluster.api('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    const { deployment, service } = webObjects('v1');
    await cluster.api('POST', '/api/v1/namespaces/default/services', service);
    await cluster.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
    await using istiod = await startIstiod(program ?? '', readFileSync(join(cluster.stateDir, 'kubeconfig'), 'utf8'));
    const until = async <T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> =>
      cluster.until(what, ask, 90_000).catch((error: unknown) => {
        throw new Error(`${String(error)}\nistiod said:\n${istiod.output().slice(-6000)}`);
      });
    await until('ready', async () => (await fetch(istiod.readyUrl).catch(() => undefined))?.status === 200);

    const read = async (path: string): Promise<Record<string, never> & { data?: Record<string, string> }> =>
      cluster.api('GET', path, undefined, { tolerate: true });
    await until(
      'the root certificate in every namespace',
      async () =>
        (await read('/api/v1/namespaces/default/configmaps/istio-ca-root-cert')).data?.['root-cert.pem'] !== undefined,
    );
    await until('its leader lease', async () =>
      JSON.stringify(await read('/apis/coordination.k8s.io/v1/namespaces/istio-system/leases')).includes('istiod-1'),
    );
    const gatewayClasses = await until('its classes of gateways', async () => {
      const list = JSON.stringify(await read('/apis/gateway.networking.k8s.io/v1/gatewayclasses'));
      return list.includes('istio-waypoint') && list.includes('"Accepted"') && list;
    });
    assert.match(gatewayClasses, /istio\.io\/mesh-controller/);

    const known = new Map<string, string>();
    const typeUrl = 'type.googleapis.com/istio.workload.Address';
    const client = createXdsClient({
      address: `127.0.0.1:${istiod.xdsPort}`,
      credentials: async () => ({ roots: 'plaintext', headers: {} }),
      node: { id: 'ztunnel~127.0.0.1~ztunnel-1.istio-system~istio-system.svc.cluster.local' },
      log: silentLogger,
      subscriptions: [
        {
          mode: 'wildcard',
          handler: anyHandler<string>({
            typeUrl,
            decode: (bytes) => {
              const { type } = fromBinary(AddressSchema, bytes);
              return `${type.case ?? ''} ${type.value?.namespace ?? ''}/${type.value?.name ?? ''}`;
            },
            apply: ({ updated, removed }) => {
              for (const { name, resource } of updated) known.set(name, resource);
              for (const name of removed) known.delete(name);
            },
          }),
        },
      ],
    });
    try {
      const workloads = (): string[] => [...known.values()].filter((each) => each.startsWith('workload default/web-'));
      await until('two workloads and their service', async () => {
        return workloads().length === 2 && [...known.values()].includes('service default/web');
      });
      await cluster.api(
        'PATCH',
        '/apis/apps/v1/namespaces/default/deployments/web/scale',
        { spec: { replicas: 1 } },
        {
          type: 'application/merge-patch+json',
        },
      );
      await until('the end of one of them', async () => workloads().length === 1);
    } finally {
      await client.close();
    }
    assert.doesNotMatch(istiod.output(), /failed to (list|watch)/i, 'every list and watch of istiod is answered');
  },
);
