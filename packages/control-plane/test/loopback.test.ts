// The whole control plane on loopback over a Kubernetes API in memory: a node proxy and a waypoint connect with tokens, the CA
// signs, a Gateway is deployed, statuses are written, and the API server may go away and come back.
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { createCaClient } from '@ambit/identity';
import type { TokenReview } from '@ambit/kube';
import { memoryCluster } from '@ambit/kube/testing';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  FRONTEND_TYPE_URL,
  ROUTE_TABLE_TYPE_URL,
  SECRET_TYPE_URL,
} from '@ambit/proto/type-urls';
import { AddressSchema } from '@ambit/proto/workload';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { type AnyResourceHandler, anyHandler, createXdsClient, type XdsClient } from '@ambit/xds';
import { type ControlPlane, readConfig, startControlPlane } from '../src/index.ts';

const cluster = memoryCluster();
let app: ControlPlane;
const closers: (() => void | Promise<void>)[] = [];

function token(namespace: string, serviceAccount: string, podName: string): TokenReview {
  return {
    isAuthenticated: true,
    username: `system:serviceaccount:${namespace}:${serviceAccount}`,
    groups: ['system:serviceaccounts', 'system:authenticated'],
    audiences: ['istio-ca'],
    extra: {
      'authentication.kubernetes.io/pod-name': [podName],
      'authentication.kubernetes.io/pod-uid': [`uid-${namespace}-${podName}`],
    },
    error: '',
  };
}

/** Resources of one type as a client holds them. */
class Held {
  readonly names = new Map<string, Uint8Array>();
  readonly #waiting = new Set<() => void>();
  handler(typeUrl: string): AnyResourceHandler {
    return anyHandler<Uint8Array>({
      typeUrl,
      decode: (bytes) => bytes,
      apply: ({ updated, removed }) => {
        for (const { name, resource } of updated) this.names.set(name, resource);
        for (const name of removed) this.names.delete(name);
        for (const wake of this.#waiting) wake();
      },
    });
  }
  async until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
    const deadline = Date.now() + ms;
    while (!condition()) {
      if (Date.now() > deadline) assert.fail(`${what}; held: ${[...this.names.keys()].join(', ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  await new Held().until(condition, what);
}

function connect(
  id: string,
  bearer: string,
  metadata: Record<string, string>,
  types: readonly string[],
  tls = true,
): { client: XdsClient; held: Map<string, Held> } {
  const held = new Map(types.map((type) => [type, new Held()]));
  const client = createXdsClient({
    address: tls ? `localhost:${app.ports.tls}` : `localhost:${app.ports.plaintext}`,
    credentials: async () => ({
      roots: tls ? { pem: app.rootPem } : 'plaintext',
      serverName: 'istiod.istio-system.svc',
      headers: { authorization: `Bearer ${bearer}` },
    }),
    node: { id, metadata },
    subscriptions: types.map((type) => ({
      handler: (held.get(type) as Held).handler(type),
      mode: type === SECRET_TYPE_URL ? 'on-demand' : 'wildcard',
    })),
    log: silentLogger,
  });
  closers.push(() => client.close());
  return { client, held };
}

const metrics = createMetricsRegistry();

before(async () => {
  cluster.put(testNamespace('istio-system'));
  cluster.put(testNamespace('apps', { 'istio.io/use-waypoint': 'wp' }));
  cluster.put(testPod('istio-system', 'ztunnel-1', '10.0.0.1'));
  cluster.put(
    testPod('apps', 'web-1', '10.0.0.2', {
      labels: { app: 'web' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
    }),
  );
  cluster.put(testService('apps', 'web', '10.96.0.10', { app: 'web' }));
  cluster.tokens.set('ztunnel', token('istio-system', 'default', 'ztunnel-1'));
  cluster.tokens.set('stranger', token('apps', 'default', 'web-1'));
  const config = readConfig({ CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/default', AMBIT_LISTEN_HOST: '127.0.0.1' }, [
    'discovery',
  ]);
  app = await startControlPlane({
    config,
    client: cluster,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  await app.cluster.synced;
});

after(async () => {
  for (const close of closers) await close();
  await app.close();
  metrics.close();
});

test('a node proxy gets all addresses and hears of a new pod at once', async () => {
  const { held } = connect(
    'ztunnel~10.0.0.1~ztunnel-1.istio-system~istio-system.svc.cluster.local',
    'ztunnel',
    { NAMESPACE: 'istio-system', NODE_NAME: 'node-a' },
    [ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL],
  );
  const addresses = held.get(ADDRESS_TYPE_URL) as Held;
  await addresses.until(() => addresses.names.has('Kubernetes//Pod/apps/web-1'), 'the pod arrives');
  const message = fromBinary(AddressSchema, addresses.names.get('Kubernetes//Pod/apps/web-1') ?? new Uint8Array());
  assert.equal(message.type.case, 'workload');
  assert.deepEqual(Object.keys(message.type.case === 'workload' ? message.type.value.services : {}), [
    'apps/web.apps.svc.cluster.local',
  ]);
  const startedAt = performance.now();
  cluster.put(testPod('apps', 'web-2', '10.0.0.3', { labels: { app: 'web' } }));
  await addresses.until(() => addresses.names.has('Kubernetes//Pod/apps/web-2'), 'the new pod arrives');
  assert.ok(performance.now() - startedAt < 1_000);
  cluster.remove({ kind: 'Pod', namespace: 'apps', name: 'web-2' });
  await addresses.until(() => !addresses.names.has('Kubernetes//Pod/apps/web-2'), 'the pod leaves');
});

test('a client without a valid token or with a foreign namespace is refused', async () => {
  const refused = connect(
    'ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local',
    'nonsense',
    { NAMESPACE: 'istio-system' },
    [ADDRESS_TYPE_URL],
  );
  const foreign = connect(
    'ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local',
    'stranger',
    { NAMESPACE: 'istio-system' },
    [ADDRESS_TYPE_URL],
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(refused.held.get(ADDRESS_TYPE_URL)?.names.size, 0);
  assert.equal(foreign.held.get(ADDRESS_TYPE_URL)?.names.size, 0);
});

test('the CA signs for pods on the node of the caller and for nobody else', async () => {
  const ca = createCaClient({
    address: `localhost:${app.ports.tls}`,
    rootPem: () => app.rootPem,
    serverName: 'istiod.istio-system.svc',
    token: () => 'ztunnel',
    clusterId: 'Kubernetes',
    impersonate: true,
    log: silentLogger,
  });
  closers.push(() => ca.close());
  const signal = AbortSignal.timeout(5_000);
  const certificate = await ca.fetch('spiffe://cluster.local/ns/apps/sa/default', { signal });
  assert.equal(certificate.identity, 'spiffe://cluster.local/ns/apps/sa/default');
  await assert.rejects(ca.fetch('spiffe://cluster.local/ns/apps/sa/admin', { signal }));
  await assert.rejects(ca.fetch('spiffe://other.example/ns/apps/sa/default', { signal }));
  await assert.rejects(ca.fetch('spiffe://cluster.local/ns/apps', { signal }));
});

test('a Gateway becomes a waypoint: objects, address, binding, routes', async () => {
  cluster.put({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'wp', namespace: 'apps' },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  });
  await until(() => cluster.objects('Deployment').some((d) => d.metadata.name === 'wp'), 'the deployment appears');
  await until(() => cluster.objects('Service').some((s) => s.metadata.name === 'wp'), 'the service appears');
  assert.ok(cluster.objects('ServiceAccount').some((s) => s.metadata.name === 'wp'));
  assert.ok(cluster.objects('GatewayClass').some((c) => c.metadata.name === 'istio-waypoint'));
  cluster.put({
    ...(cluster.objects('Service').find((s) => s.metadata.name === 'wp') as object),
    kind: 'Service',
    spec: { clusterIP: '10.96.0.20', ports: [{ name: 'mesh', port: 15008, protocol: 'TCP' }] },
  });
  const labels = { 'gateway.networking.k8s.io/gateway-name': 'wp' };
  cluster.put(testPod('apps', 'wp-1', '10.0.0.9', { labels }));
  cluster.tokens.set('wp', token('apps', 'default', 'wp-1'));
  const gateway = () => cluster.objects('Gateway').find((g) => g.metadata.name === 'wp');
  await until(() => (gateway()?.status?.addresses ?? []).length === 2, 'the Gateway gets its addresses');
  assert.ok(gateway()?.status?.conditions?.some((c) => c.type === 'Programmed' && c.status === 'True'));
  const web = () => cluster.objects('Service').find((s) => s.metadata.name === 'web');
  await until(() => web()?.status?.conditions?.[0]?.status === 'True', 'the Service is bound');
  cluster.put({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'web', namespace: 'apps' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }],
      rules: [{ backendRefs: [{ name: 'web', port: 80, weight: 1 }] }],
    },
  });
  const { held } = connect(
    'waypoint~10.0.0.9~wp-1.apps~apps.svc.cluster.local',
    'wp',
    { NAMESPACE: 'apps', GENERATOR: 'ambit' },
    [ADDRESS_TYPE_URL, FRONTEND_TYPE_URL, ROUTE_TABLE_TYPE_URL],
  );
  const tables = held.get(ROUTE_TABLE_TYPE_URL) as Held;
  await tables.until(() => tables.names.has('apps/web.apps.svc.cluster.local:80'), 'the route table arrives');
  assert.deepEqual([...(held.get(FRONTEND_TYPE_URL)?.names.keys() ?? [])], ['apps/web.apps.svc.cluster.local']);
  const addresses = held.get(ADDRESS_TYPE_URL) as Held;
  await addresses.until(() => addresses.names.has('Kubernetes//Pod/apps/web-1'), 'its workload arrives');
  assert.ok(!addresses.names.has('Kubernetes//Pod/istio-system/ztunnel-1'), 'other workloads stay away');
  const route = () => cluster.objects('HTTPRoute')[0];
  await until(() => route()?.status?.parents?.[0]?.conditions?.[0]?.status === 'True', 'the route is accepted');
});

test('a waypoint gets the key of its sessions, and another when their Secret is gone; others get none', async () => {
  const asked = async (bearer: string, pod: string, tls = true) => {
    const id = `waypoint~10.0.0.9~${pod}.apps~apps.svc.cluster.local`;
    const metadata = { NAMESPACE: 'apps', GENERATOR: 'ambit', WORKLOAD_NAME: 'wp' };
    const { client, held } = connect(id, bearer, metadata, [SECRET_TYPE_URL], tls);
    await client.demand(SECRET_TYPE_URL, 'session-key/apps/wp');
    const secrets = held.get(SECRET_TYPE_URL) as Held;
    return { secrets, key: () => Buffer.from(secrets.names.get('session-key/apps/wp') ?? []).toString('hex') };
  };
  const { secrets, key } = await asked('wp', 'wp-1');
  await secrets.until(() => key() !== '', 'the key arrives');
  const first = key();
  cluster.remove({ kind: 'Secret', namespace: 'istio-system', name: 'ambit-session-keys' });
  await secrets.until(() => key() !== first, 'another key arrives');
  assert.equal((await asked('stranger', 'web-1')).key(), '', 'a pod that only says that it is of the Gateway');
  assert.equal((await asked('wp', 'wp-1', false)).key(), '', 'the port without authentication');
});

test('every namespace has the root certificate, also after somebody deleted it', async () => {
  const map = () =>
    cluster
      .objects('ConfigMap')
      .find((m) => m.metadata.namespace === 'apps' && m.metadata.name === 'istio-ca-root-cert');
  await until(() => map()?.data?.['root-cert.pem'] === app.rootPem, 'the ConfigMap is there');
  cluster.remove({ kind: 'ConfigMap', namespace: 'apps', name: 'istio-ca-root-cert' });
  await until(() => map()?.data?.['root-cert.pem'] === app.rootPem, 'the ConfigMap is back');
});

test('an API server that restarts and forgets its history loses nothing', async () => {
  const before = app.cluster.model.addresses.size;
  cluster.setDown(true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(app.cluster.model.addresses.size, before);
  cluster.put(testPod('apps', 'late', '10.0.0.44'));
  cluster.compact();
  cluster.setDown(false);
  await until(
    () => app.cluster.model.addresses.get('Kubernetes//Pod/apps/late') !== undefined,
    'the pod is seen after the restart',
  );
  assert.equal(app.cluster.model.addresses.size, before + 1);
});

test('the webhooks refuse what has no meaning, inject nothing, and show only their own certificate', async () => {
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'x', namespace: 'apps' },
    spec: { action: 'DENY' },
  };
  const ask = async (type: string, text: string, path = '/validate'): Promise<{ status: number; body: string }> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: app.ports.webhook,
          path,
          method: 'POST',
          ca: app.rootPem,
          servername: 'istiod.istio-system.svc',
          headers: { 'content-type': type },
          agent: false,
        },
        resolve,
      );
      call.on('error', reject);
      call.end(text);
    });
    let body = '';
    for await (const part of response) body += String(part);
    return { status: response.statusCode ?? 0, body };
  };
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
  const { status, body } = await ask(
    'application/json',
    JSON.stringify({ ...review, request: { uid: '1', operation: 'CREATE', object: policy } }),
  );
  const answer = JSON.parse(body) as { response: { allowed: boolean; status: { message: string } } };
  assert.equal(status, 200);
  assert.equal(answer.response.allowed, false);
  assert.match(answer.response.status.message, /DENY action without `rules` is meaningless/u);
  assert.equal((await ask('text/plain', 'x')).status, 415);
  assert.equal((await ask('application/json', '')).status, 400);
  for (const path of ['/validate', '/inject', '/inject/cluster/c1/net/n1']) {
    assert.equal((await ask('application/json', '{', path)).status, 400, path);
    assert.equal((await ask('application/json', JSON.stringify({ kind: 'Pod' }), path)).status, 400, path);
  }
  assert.equal((await ask('application/json', '{}', '/injected')).status, 404);
  assert.equal((await ask('application/json', `"${'x'.repeat(3 * 1024 * 1024)}"`, '/inject')).status, 413);

  const pod = {
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'apps',
    object: { metadata: {}, spec: {} },
  };
  const asked = { ...review, request: { uid: '2', operation: 'CREATE', ...pod } };
  const injected = await ask('application/json', JSON.stringify(asked), '/inject/cluster/c1');
  const { response } = JSON.parse(injected.body) as {
    response: { allowed: boolean; warnings: string[]; patch?: string };
  };
  assert.deepEqual([response.allowed, response.patch, response.warnings.length], [true, undefined, 1]);
});

test('certificates, verdicts and services are counted under the names that dashboards know', async () => {
  metrics.flush();
  const text = await metrics.text();
  const valueOf = (series: string): number =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  assert.ok(valueOf('citadel_server_csr_count') > valueOf('citadel_server_success_cert_issuance_count'));
  assert.ok(valueOf('citadel_server_success_cert_issuance_count') > 0);
  assert.ok(valueOf('citadel_server_root_cert_expiry_seconds') > 0);
  assert.equal(valueOf('galley_validation_failed{reason="invalid_resource"}'), 1);
  assert.equal(valueOf('sidecar_injection_skip_total'), 1);
  assert.ok(valueOf('citadel_server_cert_chain_expiry_seconds') > 0);
  assert.ok(valueOf('pilot_inbound_updates{type="eds"}') > 0);
  assert.ok(valueOf('pilot_services') > 0);
  assert.ok(valueOf('pilot_xds{version="unknown"}') > 0);
  assert.ok(valueOf('pilot_xds_pushes{type="wds"}') > 0);
  assert.ok(valueOf('pilot_xds_config_size_bytes_count{type="wads"}') > 0);
  assert.equal(valueOf('galley_validation_http_error{status="415"}'), 1);
  // Only of the webhook for validation: the one for injection was asked for nonsense as well.
  assert.equal(valueOf('galley_validation_http_error{status="400"}'), 3);
  assert.ok(valueOf('citadel_server_authentication_failure_count') >= 2);
  assert.equal(valueOf('citadel_server_id_extraction_err_count'), 1);
  for (const time of ['proxy_queue_time', 'debounce_time', 'xds_send_time', 'pushcontext_init_seconds'])
    assert.ok(valueOf(`pilot_${time}_count`) > 0, time);
  assert.ok(valueOf('pilot_xds_push_time_count{type="wds"}') > 0);
  assert.ok(valueOf('pilot_xds_recv_max') > 0);
  const ca = 'grpc_type="unary",grpc_service="istio.v1.auth.IstioCertificateService",grpc_method="CreateCertificate"';
  assert.ok(valueOf(`grpc_server_started_total{${ca}}`) >= 3);
  // Every call ends once, though the transport tells of its end as well.
  const handled = text.split('\n').filter((line) => line.startsWith(`grpc_server_handled_total{${ca},`));
  const ended = handled.map((line) => Number(line.split(' ')[1])).reduce((sum, count) => sum + count, 0);
  assert.equal(ended, valueOf(`grpc_server_started_total{${ca}}`));
  assert.ok(valueOf(`grpc_server_handled_total{${ca},grpc_code="OK"}`) >= 1);
  assert.ok(valueOf(`grpc_server_handled_total{${ca},grpc_code="Unauthenticated"}`) >= 2);
  const ads =
    'grpc_type="bidi_stream",grpc_service="envoy.service.discovery.v3.AggregatedDiscoveryService",grpc_method="DeltaAggregatedResources"';
  assert.ok(valueOf(`grpc_server_handled_total{${ads},grpc_code="Unauthenticated"}`) >= 1);
  assert.ok(valueOf(`grpc_server_msg_sent_total{${ads}}`) > 0);
  assert.ok(valueOf(`grpc_server_msg_received_total{${ads}}`) > valueOf(`grpc_server_msg_sent_total{${ads}}`));
});
