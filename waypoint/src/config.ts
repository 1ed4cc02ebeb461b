/**
 * Environment, arguments and pod info of a waypoint -> one frozen configuration (spec/waypoint.md 0.1, control-plane.md 6.3).
 * In: what the container was started with. Out: plain values. Called once by main.ts; main thread.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BYTE_ENGINE_WISHES } from '@ambit/hbone';
import { forTimer } from '@ambit/l7';
import type { SocketDomain } from '@ambit/net';
import { bool, choice, count, durationMs, type EnvOf, parseDuration, readEnv, text } from '@ambit/runtime/env';

/** The variables; the reference page is generated from this table. */
export const schema = {
  POD_NAME: text('waypoint', 'Name of this pod.'),
  POD_NAMESPACE: text('default', 'Namespace of this pod.'),
  INSTANCE_IP: text('127.0.0.1', 'Address of this pod.'),
  SERVICE_ACCOUNT: text('default', 'Service account of this pod; part of its identity.'),
  TRUST_DOMAIN: text('cluster.local', 'Trust domain of this pod; part of its identity.'),
  CA_ADDR: text('istiod.istio-system.svc:15012', 'host:port of the certificate authority.'),
  PROXY_CONFIG: text('{}', 'JSON: discoveryAddress, concurrency, terminationDrainDuration are read.'),
  ISTIO_CPU_LIMIT: count(undefined, 'CPU limit of the container; the default number of data threads.'),
  ISTIO_META_CLUSTER_ID: text('Kubernetes', 'Name of this cluster.'),
  ISTIO_META_IDLE_TIMEOUT: durationMs(
    undefined,
    'How long a connection of a client may be quiet: without a request (HTTP), without a byte (raw, where the backend says nothing). 0 = for ever, unset = 1 h.',
  ),
  ISTIO_META_NETWORK: text('', 'Name of the network of this pod.'),
  ISTIO_META_MESH_ID: text('', 'Name of the mesh.'),
  XDS_ROOT_CA: text(
    '/var/run/secrets/istio/root-cert.pem',
    'PEM file of the roots that the control plane is checked with.',
  ),
  CA_ROOT_CA: text('/var/run/secrets/istio/root-cert.pem', 'PEM file of the roots that the authority is checked with.'),
  ALT_XDS_HOSTNAME: text(undefined, 'Name to expect in the certificate of the control plane instead of its host.'),
  ALT_CA_HOSTNAME: text(undefined, 'Name to expect in the certificate of the authority instead of its host.'),
  AMBIT_TOKEN_PATH: text(
    '/var/run/secrets/tokens/istio-token',
    'File of the service account token for control plane and authority.',
  ),
  AMBIT_POD_LABELS_PATH: text('/etc/istio/pod/labels', 'Downward API file with the labels of this pod.'),
  AMBIT_LOOPBACK_POD_IP: text(undefined, 'Loopback address that stands for this pod in the local cluster; set by it.'),
  AMBIT_ACCESS_LOG: choice(
    ['mesh', 'TEXT', 'JSON', 'off'],
    'mesh',
    'Access log: as the mesh says, or one encoding always, or never.',
  ),
  AMBIT_LOG_FORMAT: choice(['plain', 'json'], 'plain', 'Form of the log.'),
  AMBIT_BYTE_ENGINE: choice(
    BYTE_ENGINE_WISHES,
    'auto',
    'Who moves the bytes of tunnels: core http2, our own HTTP/2 over node:tls, the same over the OpenSSL of Node, or the fastest of those that are cleared for use and pass their self-test.',
  ),
  AMBIT_TELEMETRY_ADDRESS: text(
    undefined,
    'Control plane that takes flows for `ambit tap`, host:port, with the roots and the token of xDS. Nothing is sent while nobody watches. Unset: off.',
  ),
  AMBIT_HBONE_PORT: count(15_008, 'Port for tunnels.', { max: 65_535 }),
  AMBIT_UPSTREAM_HBONE_PORT: count(15_008, 'Port on which workloads take tunnels.', { min: 1, max: 65_535 }),
  AMBIT_ADMIN_PORT: count(15_000, 'Admin port, loopback only.', { max: 65_535 }),
  AMBIT_STATUS_PORT: count(15_021, 'Readiness port.', { max: 65_535 }),
  AMBIT_STATS_PORT: count(15_020, 'Port of the merged metrics.', { max: 65_535 }),
  AMBIT_PROXY_STATS_PORT: count(15_090, 'Port of the own metrics.', { max: 65_535 }),
  AMBIT_XDS_PLAINTEXT: bool(false, 'Speak to the control plane without TLS; tests only.'),
};

/** Values of the table. */
export type WaypointEnv = EnvOf<typeof schema>;

/** Everything that the waypoint is told at its start. */
export interface WaypointConfig {
  readonly env: WaypointEnv;
  /** Own SPIFFE id. */
  readonly identity: string;
  readonly discoveryAddress: string;
  readonly dataThreads: number;
  /** How long connections of clients may be quiet; Infinity = for ever, undefined = the built-in time. */
  readonly idleMs: number | undefined;
  /** How long the waypoint keeps serving new connections after SIGTERM. */
  readonly terminationDrainMs: number;
  readonly domain: SocketDomain;
  /** Where readiness and metrics listen. */
  readonly publicHost: string;
  readonly ownIp: string;
  readonly logLevel: string;
  /** Node metadata of xDS. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly nodeId: string;
}

/** Reads everything. Throws ConfigError. */
export const readConfig = (source: NodeJS.ProcessEnv, argv: readonly string[]): WaypointConfig => {
  const env = readEnv(schema, source);
  const args = argumentsOf(argv);
  const proxyConfig = jsonObject(env.PROXY_CONFIG);
  const ownIp = env.AMBIT_LOOPBACK_POD_IP ?? env.INSTANCE_IP;
  const domain = args.domain ?? `${env.POD_NAMESPACE}.svc.cluster.local`;
  return Object.freeze({
    env,
    identity: `spiffe://${env.TRUST_DOMAIN}/ns/${env.POD_NAMESPACE}/sa/${env.SERVICE_ACCOUNT}`,
    discoveryAddress: textOf(proxyConfig['discoveryAddress']) ?? env.CA_ADDR,
    dataThreads: threadsOf(proxyConfig['concurrency'], env.ISTIO_CPU_LIMIT),
    idleMs: idleMsOf(env.ISTIO_META_IDLE_TIMEOUT),
    terminationDrainMs: parseDuration(textOf(proxyConfig['terminationDrainDuration']) ?? '5s') ?? 5000,
    domain:
      env.AMBIT_LOOPBACK_POD_IP === undefined
        ? ({ kind: 'host' } as const)
        : ({ kind: 'loopback', address: ownIp } as const),
    publicHost: env.AMBIT_LOOPBACK_POD_IP ?? '::',
    ownIp,
    logLevel: args.logLevel,
    metadata: metadataOf(source, env, ownIp),
    nodeId: `waypoint~${ownIp}~${env.POD_NAME}.${env.POD_NAMESPACE}~${domain}`,
  });
};

/** `proxy waypoint --domain D --log_output_level default:info ...`; unknown flags are ignored. */
const argumentsOf = (argv: readonly string[]): { readonly domain: string | undefined; readonly logLevel: string } => {
  const { values } = parseArgs({
    args: [...argv],
    strict: false,
    options: { domain: { type: 'string' }, log_output_level: { type: 'string' } },
  });
  const level = typeof values['log_output_level'] === 'string' ? values['log_output_level'] : 'info';
  return {
    domain: typeof values['domain'] === 'string' ? values['domain'] : undefined,
    logLevel: level
      .split(',')
      .map((item) => item.replace('default:', '').replace(':', '='))
      .join(','),
  };
};

const idleMsOf = (ms: number | undefined): number | undefined => {
  if (ms === 0) return Number.POSITIVE_INFINITY;
  return ms === undefined ? undefined : forTimer(ms);
};

const threadsOf = (concurrency: unknown, cpuLimit: number | undefined): number => {
  const wanted = typeof concurrency === 'number' && concurrency > 0 ? concurrency : (cpuLimit ?? 1);
  return Math.min(Math.max(1, Math.floor(wanted)), 16);
};

const metadataOf = (source: NodeJS.ProcessEnv, env: WaypointEnv, ownIp: string): Record<string, unknown> => {
  const metadata: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(source)) {
    if (name.startsWith('ISTIO_META_') && value !== undefined) metadata[name.slice('ISTIO_META_'.length)] = value;
  }
  return {
    ...metadata,
    GENERATOR: 'ambit',
    NAMESPACE: env.POD_NAMESPACE,
    SERVICE_ACCOUNT: env.SERVICE_ACCOUNT,
    CLUSTER_ID: env.ISTIO_META_CLUSTER_ID,
    NETWORK: env.ISTIO_META_NETWORK,
    MESH_ID: env.ISTIO_META_MESH_ID,
    INSTANCE_IPS: ownIp,
    LABELS: podLabels(env.AMBIT_POD_LABELS_PATH),
    ISTIO_VERSION: '1.32.0',
  };
};

/** Lines `key="value"` of the downward API; an absent file is an empty set. */
const podLabels = (path: string): Record<string, string> => {
  const labels: Record<string, string> = {};
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch {
    return labels;
  }
  for (const line of content.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) labels[line.slice(0, equals)] = line.slice(equals + 1).replaceAll('"', '');
  }
  return labels;
};

const jsonObject = (textValue: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(textValue);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
};

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
