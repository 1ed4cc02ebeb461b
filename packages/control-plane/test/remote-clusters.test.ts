// Other clusters of the mesh through Secrets (spec control-plane 8.3): the whole control plane over several Kubernetes APIs in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@ambit/kube';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { createKeyAndCsr } from '@ambit/identity';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { status } from '@grpc/grpc-js';
import { type ControlPlane, readConfig, startControlPlane } from '../src/index.ts';
import { askCertificate, namesOfAnswer } from './ask-certificate.ts';

const POD = 'spiffe://cluster.local/ns/apps/sa/default';

/** A cluster in the network of everybody, with one pod of the global service and a node proxy on its node. */
function apiOf(id: string, ip: string): MemoryCluster {
  const cluster = memoryCluster();
  for (const name of ['istio-system', 'apps']) cluster.put(testNamespace(name));
  const service = testService('apps', 'web', '10.96.0.1', { app: 'web' });
  cluster.put({ ...service, metadata: { ...service.metadata, labels: { 'istio.io/global': 'true' } } });
  const onNode = (pod: ReturnType<typeof testPod>, serviceAccountName: string): void =>
    cluster.put({ ...pod, spec: { containers: [], ...pod.spec, nodeName: `node-${id}`, serviceAccountName } });
  onNode(testPod('apps', `web-${id}`, ip, { labels: { app: 'web' } }), 'default');
  onNode(testPod('istio-system', `ztunnel-${id}`, `${ip}1`, { uid: `uid-${id}` }), 'ztunnel');
  cluster.tokens.set(`token-${id}`, {
    isAuthenticated: true,
    username: 'system:serviceaccount:istio-system:ztunnel',
    groups: ['system:serviceaccounts'],
    audiences: ['istio-ca'],
    extra: {
      'authentication.kubernetes.io/pod-name': [`ztunnel-${id}`],
      'authentication.kubernetes.io/pod-uid': [`uid-${id}`],
    },
    error: '',
  });
  return cluster;
}

/** A Secret whose keys name APIs of the test instead of kubeconfigs. */
function secret(name: string, clusters: Readonly<Record<string, string>>): KubernetesObject {
  const data = Object.entries(clusters).map(([id, text]) => [id, Buffer.from(text).toString('base64')]);
  return {
    kind: 'Secret',
    metadata: { namespace: 'istio-system', name, labels: { 'istio/multiCluster': 'true' } },
    data: Object.fromEntries(data) as Record<string, string>,
  };
}

interface Mesh extends AsyncDisposable {
  readonly app: ControlPlane;
  readonly local: MemoryCluster;
  readonly closed: string[];
  has(uid: string): boolean;
  until(what: string, condition: () => boolean): Promise<void>;
}

async function mesh(
  apis: Readonly<Record<string, MemoryCluster>>,
  first: readonly KubernetesObject[],
  secretsClient?: MemoryCluster,
): Promise<Mesh> {
  const local = apiOf('Kubernetes', '10.0.0.1');
  for (const object of first) local.put(object);
  local.put({
    kind: 'ConfigMap',
    metadata: { namespace: 'istio-system', name: 'istio' },
    data: {
      mesh: JSON.stringify({
        serviceScopeConfigs: [{ scope: 'GLOBAL', servicesSelector: { matchLabels: { 'istio.io/global': 'true' } } }],
      }),
    },
  });
  const metrics = createMetricsRegistry();
  const closed: string[] = [];
  const app = await startControlPlane({
    config: readConfig({
      AMBIT_LISTEN_HOST: '127.0.0.1',
      CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
      AMBIENT_ENABLE_MULTI_NETWORK: 'true',
      PILOT_REMOTE_CLUSTER_TIMEOUT: '200ms',
    }),
    client: local,
    secretsClient,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
    connectRemote(kubeconfig) {
      const api = apis[kubeconfig];
      if (api === undefined) throw new KubeError('ERR_KUBE_CONFIG', 'not usable');
      return { ...api, close: () => void closed.push(kubeconfig) };
    },
  });
  await app.cluster.synced;
  return {
    app,
    local,
    closed,
    has: (uid) => app.cluster.model.addresses.get(uid) !== undefined,
    async until(what, condition) {
      const deadline = Date.now() + 30_000;
      while (!condition()) {
        assert.ok(Date.now() < deadline, `${what}, in time`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      metrics.close();
    },
  };
}

test('a cluster comes with its Secret, is exchanged without a gap, and goes with its key', async () => {
  const first = apiOf('c2', '10.0.2.1');
  const second = apiOf('c2', '10.0.2.2');
  second.put(testPod('apps', 'later', '10.0.2.3', { labels: { app: 'web' } }));
  await using m = await mesh({ first, second }, [secret('one', { c2: 'first' })]);
  await m.until('ready', () => m.app.isReady && m.has('c2//Pod/apps/web-c2'));

  first.put(testPod('apps', 'more', '10.0.2.9', { labels: { app: 'web' } }));
  await m.until('a change there arrives', () => m.has('c2//Pod/apps/more'));

  let hasGap = false;
  m.app.cluster.onChange(() => (hasGap ||= !m.has('c2//Pod/apps/web-c2')));
  m.local.put(secret('one', { c2: 'second' }));
  await m.until('the other API', () => m.has('c2//Pod/apps/later') && !m.has('c2//Pod/apps/more'));
  assert.equal(hasGap, false);
  assert.deepEqual(m.closed, ['first']);

  m.local.put(secret('one', {}));
  await m.until('nothing of it', () => !m.has('c2//Pod/apps/web-c2') && !m.has('c2//Pod/apps/later'));
  assert.ok(m.has('Kubernetes//Pod/apps/web-Kubernetes'));
});

test('the role of readers, which shows no classes, is enough to read a cluster', async () => {
  const api = apiOf('c2', '10.0.2.1');
  const list: MemoryCluster['list'] = async (kind, options) => {
    if (kind === 'GatewayClass') throw new KubeError('ERR_KUBE_FORBIDDEN', 'no role');
    return api.list(kind, options);
  };
  await using m = await mesh({ first: { ...api, list } }, [secret('one', { c2: 'first' })]);
  await m.until('the cluster', () => m.has('c2//Pod/apps/web-c2'));
});

test('a cluster that is down or cannot be used holds nobody up, and keeps what was known of it', async () => {
  const good = apiOf('good', '10.0.2.1');
  const down = apiOf('down', '10.0.3.1');
  down.setDown(true);
  await using m = await mesh({ good, down }, [
    secret('good', { good: 'good' }),
    secret('bad', { down: 'down', broken: 'no kubeconfig', Kubernetes: 'good' }),
    secret('thief', { good: 'down' }),
  ]);
  await m.until('ready without it', () => m.app.isReady && m.has('good//Pod/apps/web-good'));
  assert.equal(m.has('down//Pod/apps/web-down'), false);

  down.setDown(false);
  await m.until('it comes late', () => m.has('down//Pod/apps/web-down'));
  down.setDown(true);
  good.remove({ kind: 'Pod', namespace: 'apps', name: 'web-good' });
  await m.until('changes of others arrive', () => !m.has('good//Pod/apps/web-good'));
  assert.ok(m.has('down//Pod/apps/web-down'), 'a list that fails deletes nothing');
});

test('keys that give no cluster are listed with the reason, and an id that becomes free goes to who waited', async () => {
  const [one, two] = [apiOf('c2', '10.0.2.1'), apiOf('c2', '10.0.2.2')];
  await using m = await mesh({ one, two }, [
    secret('first', { c2: 'one', '': 'one', '  ': 'one', bad: 'no kubeconfig', Kubernetes: 'one' }),
  ]);
  await m.until('the cluster', () => m.has('c2//Pod/apps/web-c2'));
  m.local.put(secret('second', { c2: 'two' }));
  const listed = async (): Promise<string[]> => {
    const answer = await fetch(`http://127.0.0.1:${m.app.ports.monitoring}/debug/clusterz`);
    const infos = (await answer.json()) as { id: string; secretName: string; error?: string; syncStatus: string }[];
    return infos
      .map(({ id, secretName, error, syncStatus }) => `${id} ${secretName} ${error ?? syncStatus}`)
      .toSorted();
  };
  const wanted = [
    ' istio-system/first its id is empty',
    '   istio-system/first its id is empty',
    'Kubernetes  synced',
    'Kubernetes istio-system/first its id is that of this cluster',
    'bad istio-system/first not usable',
    'c2 istio-system/first synced',
    'c2 istio-system/second its id is taken by istio-system/first',
  ].toSorted();
  let last: string[] = [];
  for (const deadline = Date.now() + 30_000; last.length < wanted.length && Date.now() < deadline;)
    last = await listed();
  assert.deepEqual(last, wanted);
  const metrics = await (await fetch(`http://127.0.0.1:${m.app.ports.monitoring}/metrics`)).text();
  for (const line of [
    'istiod_managed_clusters{cluster_type="remote"} 1',
    'istiod_remote_cluster_sync_status{cluster="c2",cluster_type="remote",state="synced"} 1',
    'istiod_remote_cluster_sync_status{cluster="c2",cluster_type="remote",state="syncing"} 0',
  ])
    assert.ok(metrics.includes(line), `${line} in\n${metrics}`);

  two.put(testPod('apps', 'waited', '10.0.2.7', { labels: { app: 'web' } }));
  m.local.remove({ kind: 'Secret', namespace: 'istio-system', name: 'first' });
  await m.until('the one that waited', () => m.has('c2//Pod/apps/waited'));
  assert.deepEqual(await listed(), ['Kubernetes  synced', 'c2 istio-system/second synced']);
});

test('policies of our cluster hold for workloads of another one, and a new mesh configuration keeps it', async () => {
  await using m = await mesh({ far: apiOf('c2', '10.0.2.1') }, [secret('one', { c2: 'far' })]);
  const uid = 'c2//Pod/apps/web-c2';
  await m.until('the cluster', () => m.has(uid));
  const before = m.app.cluster.model.addresses.get(uid)?.version;
  m.local.put({
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'apps', name: 'deny' },
    spec: { selector: { matchLabels: { app: 'web' } }, action: 'DENY', rules: [{}] },
  });
  await m.until('the policy', () => m.app.cluster.model.addresses.get(uid)?.version !== before);
  const { model } = m.app.cluster;
  m.local.put({
    kind: 'ConfigMap',
    metadata: { namespace: 'istio-system', name: 'istio' },
    data: { mesh: JSON.stringify({ trustDomain: 'other' }) },
  });
  await m.until('another model', () => m.app.cluster.model !== model && m.has(uid));
});

test('a node proxy of another cluster gets identities of its own node there, and none of ours', async () => {
  await using m = await mesh({ far: apiOf('c2', '10.0.2.1') }, [secret('one', { c2: 'far' })]);
  await m.until('the cluster', () => m.has('c2//Pod/apps/web-c2'));
  const { csrPem: csr } = await createKeyAndCsr(POD);
  const far = { csr, token: 'token-c2', identity: POD };
  assert.deepEqual(namesOfAnswer(await askCertificate(m.app, { ...far, clusterId: 'c2' })), [POD]);
  assert.equal(await askCertificate(m.app, { ...far, clusterId: 'Kubernetes' }), status.UNAUTHENTICATED);
  assert.equal(await askCertificate(m.app, { ...far, clusterId: 'c3' }), status.UNAUTHENTICATED);
  const near = { csr, token: 'token-Kubernetes', identity: POD };
  assert.deepEqual(namesOfAnswer(await askCertificate(m.app, { ...near, clusterId: 'Kubernetes' })), [POD]);
  assert.equal(await askCertificate(m.app, { ...near, clusterId: 'c2' }), status.UNAUTHENTICATED);
});

test('Secrets may be those of another cluster than the one that is served', async () => {
  const elsewhere = memoryCluster();
  elsewhere.put(secret('one', { c2: 'far' }));
  const near = [secret('two', { c3: 'near' })];
  await using m = await mesh({ far: apiOf('c2', '10.0.2.1'), near: apiOf('c3', '10.0.3.1') }, near, elsewhere);
  await m.until('the cluster', () => m.has('c2//Pod/apps/web-c2'));
  assert.equal(m.has('c3//Pod/apps/web-c3'), false);
});
