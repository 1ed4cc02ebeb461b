// A real istiod (AMBIT_PEER_ISTIOD names its program, pilot-discovery) against the local cluster: it becomes ready, elects
// itself, writes its root certificate into every namespace, and tells the cluster's workloads over xDS.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema } from '@ambit/proto/workload';
import { customResourceDefinitions } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { anyHandler, createXdsClient } from '@ambit/xds';
import { startTestCluster, type TestCluster, webImage, webObjects } from '../fixtures/local-cluster.ts';
import { notRun, versionOf } from '../fixtures/run-client.ts';

const program = process.env['AMBIT_PEER_ISTIOD'];
const skip = program === undefined || program === '' ? notRun('istiod (pilot-discovery)', 'AMBIT_PEER_ISTIOD') : false;

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

interface Istiod extends AsyncDisposable {
  readonly xdsPort: number;
  readonly readyUrl: string;
  output(): string;
}

async function startIstiod(cluster: TestCluster): Promise<Istiod> {
  const home = mkdtempSync(join(tmpdir(), 'ambit-t-istiod-'));
  writeFileSync(join(home, 'mesh'), 'trustDomain: cluster.local\nrootNamespace: istio-system\n');
  mkdirSync(join(home, 'inject'));
  const kubeconfig = join(home, 'config');
  writeFileSync(kubeconfig, readFileSync(join(cluster.stateDir, 'kubeconfig')), { mode: 0o600 });
  const ports = await freePorts(5);
  const [http, grpc, secure, https, monitoring] = ports.map((port) => `127.0.0.1:${port}`);
  const words = [
    'discovery',
    `--kubeconfig=${kubeconfig}`,
    `--meshConfig=${join(home, 'mesh')}`,
    `--httpAddr=${http}`,
    `--grpcAddr=${grpc}`,
    `--secureGRPCAddr=${secure}`,
    `--httpsAddr=${https}`,
    `--monitoringAddr=${monitoring}`,
    '--ctrlz_port=0',
    '--domain=cluster.local',
  ];
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    POD_NAME: 'istiod-1',
    POD_NAMESPACE: 'istio-system',
    SERVICE_ACCOUNT: 'istiod',
    REVISION: 'default',
    CLUSTER_ID: 'Kubernetes',
    PILOT_CERT_PROVIDER: 'istiod',
    PILOT_ENABLE_AMBIENT: 'true',
    CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
  };
  const child = spawn(program ?? '', words, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    xdsPort: ports[1] ?? 0,
    readyUrl: `http://${http}/ready`,
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      const exited = child.exitCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

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
    await using istiod = await startIstiod(cluster);
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
