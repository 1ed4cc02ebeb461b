/**
 * The environment table of the node proxy: every variable, its type, default and meaning.
 *
 * Read once by `config.ts` at start; the reference page is generated from it (`describeEnv`). Names are ztunnel's
 * (spec/node-proxy.md 1.5); our own carry the prefix `AMBIT_`. Unknown variables are ignored.
 */
import { BYTE_ENGINE_WISHES } from '@ambit/hbone';
import { bool, choice, count, durationMs, type EnvOf, text } from '@ambit/runtime/env';

/** Where workloads of a pod find the control plane when nothing is said. */
const EMPTY_IS_A_VALUE = { empty: 'value' } as const;

/** The table. */
export const schema = {
  ENABLE_PROXY: bool(true, 'Run the traffic listeners.'),
  PROXY_MODE: choice(
    ['shared', 'dedicated'],
    'shared',
    'shared: serve the pods of the node (ZDS); dedicated: one workload.',
  ),
  PROXY_WORKLOAD_INFO: text(undefined, 'dedicated only: <namespace>/<name>/<service account> of the one workload.'),
  NETWORK: text('', 'Own network name.'),
  NODE_NAME: text(undefined, 'Own Kubernetes node; unset: every workload counts as local.'),
  CLUSTER_ID: text('Kubernetes', 'Own cluster; ISTIO_META_CLUSTER_ID wins.'),
  ISTIO_META_CLUSTER_ID: text(undefined, 'Own cluster.'),
  CLUSTER_DOMAIN: text('cluster.local', 'DNS suffix of cluster services.'),
  TRUST_DOMAIN: text('cluster.local', 'Trust domain of the own identity (self-listener).'),
  POD_NAME: text(undefined, 'Own pod.'),
  POD_NAMESPACE: text(undefined, 'Own namespace.'),
  SERVICE_ACCOUNT: text(undefined, 'Own service account.'),
  INSTANCE_IP: text('1.1.1.1', 'Own address, part of the xDS node id.'),
  KUBERNETES_SERVICE_HOST: text(undefined, 'Set inside a cluster; chooses the default control plane address.'),
  XDS_ADDRESS: text(undefined, 'Control plane; empty: none.', EMPTY_IS_A_VALUE),
  XDS_ROOT_CA: text('./var/run/secrets/istio/root-cert.pem', 'Root of the control plane: path, PEM text or SYSTEM.'),
  XDS_ON_DEMAND: bool(false, 'Fetch workloads when they are needed instead of all.'),
  ALT_XDS_HOSTNAME: text(undefined, 'Another DNS name accepted in the control plane certificate.'),
  CA_ADDRESS: text(undefined, 'Certificate authority; default as XDS_ADDRESS.', EMPTY_IS_A_VALUE),
  CA_ROOT_CA: text(
    './var/run/secrets/istio/root-cert.pem',
    'Root of the certificate authority: path, PEM text or SYSTEM.',
  ),
  ALT_CA_HOSTNAME: text(undefined, 'Another DNS name accepted in the certificate of the certificate authority.'),
  AUTH_TOKEN: text(
    './var/run/secrets/tokens/istio-token',
    'Bearer token: path (read again for each call) or the token.',
  ),
  FAKE_CA: bool(false, 'Sign workload certificates in this process. For development and tests only.'),
  AMBIT_FAKE_CA_DIR: text(
    undefined,
    'FAKE_CA: folder that holds the root, so that several processes trust each other.',
  ),
  SECRET_TTL: durationMs(86_400_000, 'Requested certificate lifetime.'),
  TLS12_ENABLED: bool(false, 'Also take part in TLS 1.2, between proxies and with the control plane.'),
  COMPLIANCE_POLICY: choice(
    ['none', 'pqc'],
    'none',
    'pqc: only the key exchange X25519MLKEM768, for all TLS of the process.',
  ),
  CRL_PATH: text(undefined, 'Certificate revocation list (PEM or DER).'),
  LOCAL_XDS_PATH: text(undefined, 'File with local workloads, services and policies.'),
  LOCAL_XDS: text(undefined, 'The same as YAML text.'),
  PREFERED_SERVICE_NAMESPACE: text(
    undefined,
    'Namespace that the DNS proxy prefers among equal names (their spelling).',
  ),
  INPOD_UDS: text('/var/run/ztunnel/ztunnel.sock', 'Socket of the node agent.'),
  INPOD_PORT_REUSE: bool(
    true,
    'SO_REUSEPORT on the sockets of pods, so that a successor can bind while this one drains.',
  ),
  PACKET_MARK: count(undefined, 'SO_MARK of proxy sockets; default 1337 in shared mode.', { max: 0xffffffff }),
  ENABLE_ORIG_SRC: text(undefined, 'Keep client addresses towards applications: true, false, unset = where possible.'),
  LOCALHOST_APP_TUNNEL: bool(true, 'Deliver PROXY application tunnels to loopback.'),
  ENABLE_RESPONSE_BAGGAGE: bool(true, 'Exchange baggage about workloads.'),
  UNSTABLE_ENABLE_SOCKS5: bool(false, 'SOCKS5 listener on 15080.'),
  IPV6_ENABLED: bool(true, 'Listen on and answer IPv6.'),
  KEEPALIVE_ENABLED: bool(true, 'TCP keepalive.'),
  KEEPALIVE_TIME: durationMs(180_000, 'Idle time before the first probe.'),
  KEEPALIVE_INTERVAL: durationMs(180_000, 'Time between probes.'),
  KEEPALIVE_RETRIES: count(9, 'Unanswered probes before the connection ends.'),
  USER_TIMEOUT_ENABLED: bool(false, 'TCP_USER_TIMEOUT of time + retries x interval.'),
  HTTP2_STREAM_WINDOW_SIZE: count(4_194_304, 'HBONE receive window per stream, bytes.', {
    min: 65_535,
    max: 2 ** 31 - 1,
  }),
  HTTP2_CONNECTION_WINDOW_SIZE: count(16_777_216, 'HBONE receive window per session, bytes.', {
    min: 65_535,
    max: 2 ** 31 - 1,
  }),
  HTTP2_FRAME_SIZE: count(1_048_576, 'Largest HTTP/2 frame, bytes.', { min: 16_384, max: 2 ** 24 - 1 }),
  POOL_MAX_STREAMS_PER_CONNECTION: count(100, 'CONNECT streams per HBONE session before another is opened.', {
    min: 1,
    max: 65_535,
  }),
  POOL_UNUSED_RELEASE_TIMEOUT: durationMs(300_000, 'How long an unused HBONE session stays in the pool.'),
  CONNECTION_TERMINATION_DEADLINE: durationMs(undefined, 'Drain deadline; wins over TERMINATION_GRACE_PERIOD_SECONDS.'),
  TERMINATION_GRACE_PERIOD_SECONDS: count(
    undefined,
    'Drain deadline: s - 5 when s > 10, else s - 1, at least 1 s; unset: 5 s.',
  ),
  ZTUNNEL_WORKER_THREADS: text(undefined, 'Data threads: number, or NN% of the processors; 0 = all.'),
  ZTUNNEL_CPU_LIMIT: text(undefined, 'Processors.'),
  ZTUNNEL_RESOURCE_CPU_LIMIT: text(undefined, 'Processor limit as a Kubernetes quantity.'),
  ZTUNNEL_RESOURCE_CPU_REQUEST: text(undefined, 'Processor request as a Kubernetes quantity.'),
  RUST_LOG: text('info', 'Log filter: comma list of <level> and <scope>=<level>.'),
  LOG_FORMAT: choice(['plain', 'json'], 'plain', 'Log format.'),
  AUTHZ_POLICY_INFO_LOGGING: bool(false, 'Policy decisions at info instead of debug.'),
  PROXY_CONFIG: text(undefined, 'ProxyConfig as YAML or JSON.'),
  ISTIO_META_ISTIO_VERSION: text('unknown', 'Version label of istio_build.'),
  ISTIO_META_DNS_CAPTURE: text('true', 'DNS proxy: on when true.'),
  ISTIO_META_DNS_PROXY_ADDR: text('localhost:15053', 'Address of the DNS proxy: localhost:<port> or <ip>:<port>.'),
  AMBIT_BYTE_ENGINE: choice(
    BYTE_ENGINE_WISHES,
    'auto',
    'Who moves the bytes of tunnels: core http2, our own HTTP/2 over node:tls, the same over the OpenSSL of Node, or the fastest of those that are cleared for use and pass their self-test.',
  ),
  AMBIT_MISSING_POLICY: choice(
    ['deny', 'upstream'],
    'deny',
    'A workload lists a policy that is missing: deny until it arrives, or skip it as ztunnel does (for istiod).',
  ),
  AMBIT_STATE_CACHE: text(
    undefined,
    'File that keeps what the control plane said last: after a restart it is served from before the control plane answers. It holds no secret. Unset: off. Not with XDS_ON_DEMAND.',
  ),
  AMBIT_TELEMETRY_ADDRESS: text(
    undefined,
    'Control plane that takes flows for `ambit tap`, host:port, with the roots and the token of xDS. Nothing is sent while nobody watches. Unset: off.',
  ),
  AMBIT_ZDS_TRANSPORT: choice(['seqpacket', 'stream'], 'seqpacket', 'ZDS with descriptors, or the loopback stream.'),
  AMBIT_LOOPBACK_ADDRESS: text(undefined, 'Bind all ports to this loopback address (development without namespaces).'),
  AMBIT_LOOPBACK_POD_IP: text(undefined, 'Set by the local cluster in loopback mode: own pod address.'),
  AMBIT_LOOPBACK_RELAY: text(undefined, 'Set by the local cluster in loopback mode: <ip>:<port> of the service relay.'),
} as const;

/** Values of the table. */
export type NodeProxyEnv = EnvOf<typeof schema>;
