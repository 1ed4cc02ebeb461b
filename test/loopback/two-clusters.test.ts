// Two local clusters in one mesh (spec control-plane 8.3): `ambit create-remote-secret` makes the access of one, the control plane of the
// other reads both and tells node proxies of all workloads. The API of the other cluster then hangs, dies and comes back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { AddressSchema, type Workload } from '@ambit/proto/workload';
import { silentLogger } from '@ambit/runtime/log';
import { anyHandler, createXdsClient } from '@ambit/xds';
import { parse } from 'yaml';
import { ambit } from '../fixtures/journey-shell.ts';
import { type Loose, startTestCluster, type TestCluster, webImage } from '../fixtures/local-cluster.ts';
import { openTcpGate } from '../fixtures/tcp-gate.ts';

const main = new URL('../../packages/control-plane/src/main.ts', import.meta.url).pathname;
const SYSTEM = '/api/v1/namespaces/istio-system';
const PODS = '/api/v1/namespaces/default/pods';

/** Namespace of the mesh, in the network that both clusters share. */
async function prepare(cluster: TestCluster): Promise<void> {
  const metadata = { name: 'istio-system', labels: { 'topology.istio.io/network': 'shared' } };
  await cluster.api('POST', '/api/v1/namespaces', { kind: 'Namespace', metadata });
}

async function runPod(cluster: TestCluster, name: string): Promise<void> {
  const container = { name: 'web', image: 'test/web', env: [{ name: 'VERSION', value: 'v1' }] };
  await cluster.api('POST', PODS, { kind: 'Pod', metadata: { name }, spec: { containers: [container] } });
}

/** The workloads that a node proxy is told of, by uid. */
function listen(host: string, told: Map<string, Workload>): AsyncDisposable {
  const client = createXdsClient({
    address: `${host}:15010`,
    credentials: async () => ({ roots: 'plaintext', headers: {} }),
    node: { id: 'ztunnel~127.0.0.1~ztunnel-1.istio-system~istio-system.svc.cluster.local' },
    log: silentLogger,
    subscriptions: [
      {
        mode: 'wildcard',
        handler: anyHandler<Workload | undefined>({
          typeUrl: ADDRESS_TYPE_URL,
          decode: (bytes) => {
            const { type } = fromBinary(AddressSchema, bytes);
            return type.case === 'workload' ? type.value : undefined;
          },
          apply: ({ updated, removed }) => {
            for (const { name, resource } of updated) if (resource !== undefined) told.set(name, resource);
            for (const name of removed) told.delete(name);
          },
        }),
      },
    ],
  });
  return { [Symbol.asyncDispose]: () => client.close() };
}

/** Our control plane as a process over the API of a cluster, at upstream's ports of an address of its own. */
async function startOver(cluster: TestCluster): Promise<AsyncDisposable & { readonly host: string }> {
  const host = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
  const child = spawn(process.execPath, ['--conditions=@ambit/source', main, 'discovery'], {
    env: {
      ...process.env,
      KUBECONFIG: join(cluster.stateDir, 'kubeconfig'),
      AMBIT_LISTEN_HOST: host,
      CLUSTER_ID: 'east',
      AMBIENT_ENABLE_MULTI_NETWORK: 'true',
      PILOT_REMOTE_CLUSTER_TIMEOUT: '2s',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await cluster.until('a ready control plane', async () => {
    assert.equal(child.exitCode, null, output);
    return isReady(host);
  });
  const owned = stack.move();
  return { host, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const get = (url: string): Promise<Response> => fetch(url, { headers: { connection: 'close' } });
const isReady = (host: string): Promise<boolean> =>
  get(`http://${host}:8080/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

test('a control plane serves the workloads of two clusters, whatever becomes of the other one', async () => {
  await using stack = new AsyncDisposableStack();
  const east = stack.use(await startTestCluster('loopback', [webImage]));
  const west = stack.use(await startTestCluster('loopback', [webImage]));
  const gate = stack.use(await openTcpGate(Number(new URL(serverOf(west)).port)));
  await Promise.all([prepare(east), prepare(west)]);
  await Promise.all([runPod(east, 'web'), runPod(west, 'web')]);

  // What `ambit install` makes of it; the role is that of every reader.
  await west.api('POST', `${SYSTEM}/serviceaccounts`, {
    kind: 'ServiceAccount',
    metadata: { name: 'istio-reader-service-account' },
  });
  await west.api('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'readers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'istio-system', name: 'istio-reader-service-account' }],
  });
  const server = `https://127.0.0.1:${gate.port}`;
  const made = await ambit(west, ['create-remote-secret', '--name', 'west', '--server', server]);
  assert.equal(made.status, 0, made.err);

  const { host } = stack.use(await startOver(east));
  const told = new Map<string, Workload>();
  stack.use(listen(host, told));
  await east.until('our own workload', async () => told.has('east//Pod/default/web'));

  await east.api('POST', `${SYSTEM}/secrets`, parse(made.out));
  const uid = 'west//Pod/default/web';
  const { clusterId, network, addresses, status } = await east.until('the other one', async () => {
    const workload = told.get(uid);
    return workload?.addresses.length === 1 && workload;
  });
  const there = await west.api('GET', `${PODS}/web`);
  assert.deepEqual(
    [clusterId, network, addresses[0]?.join('.'), typeof status],
    ['west', 'shared', there.status.podIP, 'number'],
  );
  assert.equal(told.get('east//Pod/default/web')?.clusterId, 'east');

  // Keys that cannot give a cluster are told, and disturb none.
  const bad = (name: string, stringData: Record<string, string>): Promise<Loose> =>
    east.api('POST', `${SYSTEM}/secrets`, {
      kind: 'Secret',
      metadata: { name, labels: { 'istio/multiCluster': 'true' } },
      stringData,
    });
  await bad('bad', { north: 'not a kubeconfig', west: JSON.stringify(parse(made.out)) });
  const clusters = async (): Promise<Loose[]> =>
    (await get(`http://${host}:15014/debug/clusterz`).then((answer) => answer.json())) as Loose[];
  const refusals = await east.until('both refusals', async () => {
    const refused = (await clusters()).filter(({ error }) => error !== undefined);
    return refused.length === 2 && refused;
  });
  assert.deepEqual(refusals.map(({ id, secretName }) => `${secretName} ${id}`).toSorted(), [
    'istio-system/bad north',
    'istio-system/bad west',
  ]);

  // The API hangs: one that is asked for the first time holds nothing up, and what is known stays.
  gate.set('hang');
  const first = Object.values((parse(made.out) as { stringData: Record<string, string> }).stringData)[0] ?? '';
  await bad('late', { south: first });
  await runPod(east, 'during-hang');
  await east.until('a change of ours', async () => told.has('east//Pod/default/during-hang'));
  await west.api('DELETE', `${PODS}/web?gracePeriodSeconds=0`);
  await east.until('the time of the new cluster is over', async () =>
    (await clusters()).some(({ id, syncStatus }) => id === 'south' && syncStatus === 'timeout'),
  );
  assert.ok(await isReady(host));
  assert.ok(told.has(uid), 'what hangs deletes nothing');

  // It dies: neither do failed lists and broken watches.
  gate.set('dead');
  await runPod(east, 'during-death');
  await east.until('another change of ours', async () => told.has('east//Pod/default/during-death'));
  assert.ok(told.has(uid), 'what is dead deletes nothing');

  // It comes back: a complete list says what is gone and what is new.
  await runPod(west, 'later');
  gate.set('open');
  await east.until('the truth', async () => !told.has(uid) && told.has('west//Pod/default/later'));
  await east.until('the cluster of the other Secret', async () => told.has('south//Pod/default/later'));

  // What waited for the id goes first, or it would get it.
  await east.api('DELETE', `${SYSTEM}/secrets/bad`);
  await east.until('no refusal', async () => (await clusters()).every(({ error }) => error === undefined));
  await east.api('DELETE', `${SYSTEM}/secrets/istio-remote-secret-west`);
  await east.until('nothing of it', async () => ![...told.keys()].some((name) => name.startsWith('west/')));
  assert.ok(told.has('south//Pod/default/later') && told.has('east//Pod/default/web'));
});

const serverOf = (cluster: TestCluster): string => {
  const config = parse(readFileSync(join(cluster.stateDir, 'kubeconfig'), 'utf8')) as Loose;
  return config.clusters[0].cluster.server as string;
};
