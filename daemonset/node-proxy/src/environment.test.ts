// Every variable of spec/node-proxy.md 1.5: what holds without it, what it changes, and that a malformed value ends the start with the
// variable's name. `get` looks where the value arrives, so that a variable that is read and then forgotten fails here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeProxyConfig, readConfig } from './config.ts';
import { dataConfigOf } from './data-config.ts';
import { schema } from './env.ts';
import type { DataConfig } from './threads/messages.ts';

/** A machine with this many processors. */
const CORES = 4;

interface Row {
  readonly value: string;
  readonly get: (config: NodeProxyConfig, data: DataConfig) => unknown;
  readonly otherwise: unknown;
  readonly expected: unknown;
  /** A value that the start refuses. */
  readonly bad?: string;
  /** What else must be set for it to count. */
  readonly with?: Readonly<Record<string, string>>;
}

/** Without the variable the start is refused. */
const REFUSED = Symbol('refused');

const naming = (name: string) => (error: Error) => error.message.includes(name);

const files: Readonly<Record<string, string>> = { '/state.yaml': 'workloads: []' };
const PEM_PATH = './var/run/secrets/istio/root-cert.pem';

const rows: Readonly<Record<string, Row>> = {
  ENABLE_PROXY: { value: 'false', get: ({ env }) => env.ENABLE_PROXY, otherwise: true, expected: false, bad: 'yes' },
  PROXY_MODE: {
    value: 'dedicated',
    get: ({ mode }) => mode,
    otherwise: 'shared',
    expected: 'dedicated',
    bad: 'both',
    with: { PROXY_WORKLOAD_INFO: 'ns/pod/sa' },
  },
  PROXY_WORKLOAD_INFO: {
    value: 'ns/pod/a/b',
    get: ({ dedicatedWorkload }) => dedicatedWorkload,
    otherwise: REFUSED,
    expected: { namespace: 'ns', name: 'pod', serviceAccount: 'a/b' },
    bad: 'ns/pod',
    with: { PROXY_MODE: 'dedicated' },
  },
  NETWORK: { value: 'n1', get: (_, data) => data.network, otherwise: '', expected: 'n1' },
  NODE_NAME: { value: 'node-a', get: (_, data) => data.nodeName, otherwise: undefined, expected: 'node-a' },
  CLUSTER_ID: { value: 'east', get: ({ clusterId }) => clusterId, otherwise: 'Kubernetes', expected: 'east' },
  ISTIO_META_CLUSTER_ID: {
    value: 'west',
    get: ({ clusterId }) => clusterId,
    otherwise: 'east',
    expected: 'west',
    with: { CLUSTER_ID: 'east' },
  },
  CLUSTER_DOMAIN: { value: 'corp', get: (_, data) => data.clusterDomain, otherwise: 'cluster.local', expected: 'corp' },
  TRUST_DOMAIN: { value: 'td', get: ({ env }) => env.TRUST_DOMAIN, otherwise: 'cluster.local', expected: 'td' },
  POD_NAME: {
    value: 'zt-1',
    get: ({ ownWorkload }) => ownWorkload?.name,
    otherwise: undefined,
    expected: 'zt-1',
    with: { POD_NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'ztunnel' },
  },
  POD_NAMESPACE: {
    value: 'istio-system',
    get: ({ nodeId }) => nodeId,
    otherwise: 'ztunnel~1.1.1.1~zt-1.~.svc.cluster.local',
    expected: 'ztunnel~1.1.1.1~zt-1.istio-system~istio-system.svc.cluster.local',
    with: { POD_NAME: 'zt-1' },
  },
  SERVICE_ACCOUNT: {
    value: 'ztunnel',
    get: ({ ownWorkload }) => ownWorkload?.serviceAccount,
    otherwise: undefined,
    expected: 'ztunnel',
    with: { POD_NAME: 'zt-1', POD_NAMESPACE: 'istio-system' },
  },
  INSTANCE_IP: {
    value: '10.0.0.9',
    get: ({ nodeMetadata }) => nodeMetadata['INSTANCE_IPS'],
    otherwise: '1.1.1.1',
    expected: '10.0.0.9',
  },
  KUBERNETES_SERVICE_HOST: {
    value: '10.96.0.1',
    get: ({ xds, ca }) => [xds?.host, xds?.port, ca?.host],
    otherwise: ['localhost', 15012, 'localhost'],
    expected: ['istiod.istio-system.svc', 15012, 'istiod.istio-system.svc'],
  },
  XDS_ADDRESS: {
    value: 'http://cp:15010',
    get: ({ xds }) => [xds?.host, xds?.port, xds?.plaintext],
    otherwise: ['localhost', 15012, false],
    expected: ['cp', 15010, true],
    bad: 'http://[',
  },
  XDS_ROOT_CA: { value: 'SYSTEM', get: ({ xds }) => xds?.rootCa, otherwise: PEM_PATH, expected: 'SYSTEM' },
  XDS_ON_DEMAND: {
    value: 'true',
    get: (_, data) => data.onDemand,
    otherwise: false,
    expected: true,
    bad: '1',
    with: { ISTIO_META_DNS_CAPTURE: 'false' },
  },
  ALT_XDS_HOSTNAME: { value: 'alt', get: ({ xds }) => xds?.altHostname, otherwise: undefined, expected: 'alt' },
  CA_ADDRESS: {
    value: 'ca:1',
    get: ({ ca }) => [ca?.host, ca?.port],
    otherwise: ['localhost', 15012],
    expected: ['ca', 1],
  },
  CA_ROOT_CA: { value: 'SYSTEM', get: ({ ca }) => ca?.rootCa, otherwise: PEM_PATH, expected: 'SYSTEM' },
  ALT_CA_HOSTNAME: { value: 'alt', get: ({ ca }) => ca?.altHostname, otherwise: undefined, expected: 'alt' },
  AUTH_TOKEN: {
    value: 'secret',
    get: ({ env }) => env.AUTH_TOKEN,
    otherwise: './var/run/secrets/tokens/istio-token',
    expected: 'secret',
  },
  FAKE_CA: { value: 'true', get: ({ ca }) => ca === undefined, otherwise: false, expected: true, bad: 'on' },
  SECRET_TTL: {
    value: '1h30m',
    get: ({ env }) => env.SECRET_TTL,
    otherwise: 86_400_000,
    expected: 5_400_000,
    bad: '1 day',
  },
  TLS12_ENABLED: { value: 'true', get: (_, data) => data.tls.allowTls12, otherwise: false, expected: true, bad: 'x' },
  COMPLIANCE_POLICY: {
    value: 'pqc',
    get: (_, data) => data.tls.onlyPostQuantum,
    otherwise: false,
    expected: true,
    bad: 'fips',
  },
  CRL_PATH: { value: '/crl', get: ({ env }) => env.CRL_PATH, otherwise: undefined, expected: '/crl' },
  LOCAL_XDS_PATH: {
    value: '/state.yaml',
    get: ({ localState }) => localState,
    otherwise: undefined,
    expected: files['/state.yaml'],
    bad: '/absent.yaml',
  },
  LOCAL_XDS: {
    value: 'services: []',
    get: ({ localState }) => localState,
    otherwise: undefined,
    expected: 'services: []',
  },
  PREFERED_SERVICE_NAMESPACE: {
    value: 'first',
    get: (_, data) => data.dns.preferredNamespace,
    otherwise: undefined,
    expected: 'first',
  },
  INPOD_UDS: {
    value: '/x.sock',
    get: ({ env }) => env.INPOD_UDS,
    otherwise: '/var/run/ztunnel/ztunnel.sock',
    expected: '/x.sock',
  },
  INPOD_PORT_REUSE: {
    value: 'false',
    get: ({ env }) => env.INPOD_PORT_REUSE,
    otherwise: true,
    expected: false,
    bad: 'no',
  },
  PACKET_MARK: { value: '7', get: (_, data) => data.packetMark, otherwise: 1337, expected: 7, bad: 'x' },
  ENABLE_ORIG_SRC: {
    value: 'true',
    get: ({ originalSource }) => originalSource,
    otherwise: 'auto',
    expected: 'always',
    bad: 'maybe',
  },
  LOCALHOST_APP_TUNNEL: {
    value: 'false',
    get: (_, data) => data.localhostAppTunnel,
    otherwise: true,
    expected: false,
    bad: 'x',
  },
  ENABLE_RESPONSE_BAGGAGE: {
    value: 'false',
    get: (_, data) => data.responseBaggage,
    otherwise: true,
    expected: false,
    bad: 'x',
  },
  UNSTABLE_ENABLE_SOCKS5: { value: 'true', get: (_, data) => data.socks5, otherwise: false, expected: true, bad: 'x' },
  IPV6_ENABLED: { value: 'false', get: (_, data) => data.ipv6, otherwise: true, expected: false, bad: 'x' },
  KEEPALIVE_ENABLED: {
    value: 'false',
    get: (_, data) => data.keepalive,
    otherwise: { idleMs: 180_000, intervalMs: 180_000, probes: 9 },
    expected: undefined,
    bad: 'x',
  },
  KEEPALIVE_TIME: {
    value: '10s',
    get: (_, data) => data.keepalive?.idleMs,
    otherwise: 180_000,
    expected: 10_000,
    bad: 'x',
  },
  KEEPALIVE_INTERVAL: {
    value: '5m',
    get: (_, data) => data.keepalive?.intervalMs,
    otherwise: 180_000,
    expected: 300_000,
    bad: '5',
  },
  KEEPALIVE_RETRIES: { value: '3', get: (_, data) => data.keepalive?.probes, otherwise: 9, expected: 3, bad: 'x' },
  USER_TIMEOUT_ENABLED: {
    value: 'true',
    get: (_, data) => data.keepalive?.userTimeoutMs,
    otherwise: undefined,
    expected: 1_800_000,
    bad: 'x',
  },
  HTTP2_STREAM_WINDOW_SIZE: {
    value: '100000',
    get: (_, data) => data.streamWindowBytes,
    otherwise: 4_194_304,
    expected: 100_000,
    bad: '0',
  },
  HTTP2_CONNECTION_WINDOW_SIZE: {
    value: '100000',
    get: (_, data) => data.connectionWindowBytes,
    otherwise: 16_777_216,
    expected: 100_000,
    bad: '4294967296',
  },
  HTTP2_FRAME_SIZE: {
    value: '20000',
    get: (_, data) => data.frameBytes,
    otherwise: 1_048_576,
    expected: 20_000,
    bad: '100',
  },
  POOL_MAX_STREAMS_PER_CONNECTION: {
    value: '1',
    get: (_, data) => data.poolMaxStreams,
    otherwise: 100,
    expected: 1,
    bad: '65536',
  },
  POOL_UNUSED_RELEASE_TIMEOUT: {
    value: '1m',
    get: (_, data) => data.poolIdleMs,
    otherwise: 300_000,
    expected: 60_000,
    bad: '1',
  },
  CONNECTION_TERMINATION_DEADLINE: {
    value: '500ms',
    get: ({ drainDeadlineMs }) => drainDeadlineMs,
    otherwise: 25_000,
    expected: 500,
    bad: 'soon',
    with: { TERMINATION_GRACE_PERIOD_SECONDS: '30' },
  },
  TERMINATION_GRACE_PERIOD_SECONDS: {
    value: '8',
    get: ({ drainDeadlineMs }) => drainDeadlineMs,
    otherwise: 5000,
    expected: 7000,
    bad: '-1',
  },
  ZTUNNEL_WORKER_THREADS: {
    value: '7',
    get: ({ threads }) => threads,
    otherwise: 1,
    expected: 7,
    bad: 'many',
    with: { ZTUNNEL_RESOURCE_CPU_LIMIT: '1' },
  },
  ZTUNNEL_CPU_LIMIT: {
    value: '6',
    get: ({ threads }) => threads,
    otherwise: 4,
    expected: 6,
    bad: 'x',
    with: { ZTUNNEL_WORKER_THREADS: '100%' },
  },
  ZTUNNEL_RESOURCE_CPU_LIMIT: { value: '2500m', get: ({ threads }) => threads, otherwise: 2, expected: 3, bad: 'x' },
  ZTUNNEL_RESOURCE_CPU_REQUEST: {
    value: '3500m',
    get: ({ threads }) => threads,
    otherwise: 1,
    expected: 4,
    bad: 'x',
    with: { ZTUNNEL_RESOURCE_CPU_LIMIT: '1' },
  },
  RUST_LOG: { value: 'access=debug', get: (_, data) => data.log.level, otherwise: 'info', expected: 'access=debug' },
  LOG_FORMAT: { value: 'json', get: (_, data) => data.log.format, otherwise: 'plain', expected: 'json', bad: 'xml' },
  AUTHZ_POLICY_INFO_LOGGING: {
    value: 'true',
    get: (_, data) => data.policyInfoLogging,
    otherwise: false,
    expected: true,
    bad: 'x',
  },
  PROXY_CONFIG: {
    value: 'proxyAdminPort: 16000',
    get: ({ adminPort }) => adminPort,
    otherwise: 15_000,
    expected: 16_000,
    bad: '- list',
  },
  ISTIO_META_ISTIO_VERSION: {
    value: '1.30',
    get: ({ env }) => env.ISTIO_META_ISTIO_VERSION,
    otherwise: 'unknown',
    expected: '1.30',
  },
  ISTIO_META_DNS_CAPTURE: {
    value: 'False',
    get: ({ dns }) => dns,
    otherwise: { address: 'localhost', port: 15_053 },
    expected: undefined,
  },
  ISTIO_META_DNS_PROXY_ADDR: {
    value: '127.0.0.5:53',
    get: ({ dns }) => dns,
    otherwise: { address: 'localhost', port: 15_053 },
    expected: { address: '127.0.0.5', port: 53 },
    bad: 'nowhere',
  },
};

const read = (source: Readonly<Record<string, string>>): [NodeProxyConfig, DataConfig] => {
  const config = readConfig(source, (path) => files[path], CORES);
  return [config, dataConfigOf(config, 0, 'http2')];
};

for (const [name, row] of Object.entries(rows)) {
  test(`${name}=${row.value}`, () => {
    if (row.otherwise !== REFUSED) assert.deepEqual(row.get(...read(row.with ?? {})), row.otherwise, 'without it');
    else assert.throws(() => read(row.with ?? {}), naming(name));
    assert.deepEqual(row.get(...read({ ...row.with, [name]: row.value })), row.expected, 'with it');
    if (row.bad === undefined) return;
    const malformed = { ...row.with, [name]: row.bad };
    assert.throws(() => read(malformed), naming(name));
  });
}

test('nothing of the table is left out here', () => {
  const own = Object.keys(schema).filter((name) => !name.startsWith('AMBIT_'));
  assert.deepEqual(
    own.filter((name) => !(name in rows)),
    [],
  );
});

test('what contradicts itself is refused', () => {
  const contradictions: readonly [Readonly<Record<string, string>>, string][] = [
    [{ ENABLE_PROXY: 'false', ISTIO_META_DNS_CAPTURE: 'false' }, 'ENABLE_PROXY'],
    [{ XDS_ON_DEMAND: 'true' }, 'XDS_ON_DEMAND'],
    [{ LOCAL_XDS: 'services: []', LOCAL_XDS_PATH: '/state.yaml' }, 'LOCAL_XDS'],
  ];
  for (const [source, name] of contradictions) {
    assert.throws(() => read(source), naming(name));
  }
});
