/**
 * Process environment and mesh file in, one frozen configuration out. Called by `main.ts` once, on the main thread.
 *
 * The only file that reads the environment. Every problem is reported at once (ConfigError). Rules: spec/node-proxy.md
 * 1.5 (variables) and 1.6 (mesh file and PROXY_CONFIG).
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ConfigError, readEnv } from '@ambit/runtime/env';
import { yaml } from './yaml.ts';
import { type NodeProxyEnv, schema } from './env.ts';
import { parseHostsFile } from './dns/hosts-file.ts';
import type { WorkloadInfo } from './inpod/zds-protocol.ts';
import { dataThreads } from './size.ts';

/** A control plane endpoint: xDS or the certificate authority. */
export interface ControlPlaneAddress {
  readonly host: string;
  readonly port: number;
  readonly plaintext: boolean;
  /** Path, PEM text or `SYSTEM`. */
  readonly rootCa: string;
  readonly altHostname: string | undefined;
  /** Extra gRPC metadata. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything the process is told at start. Frozen. */
export interface NodeProxyConfig {
  readonly env: NodeProxyEnv;
  readonly mode: 'shared' | 'dedicated';
  /** dedicated mode: the one workload. */
  readonly dedicatedWorkload: WorkloadInfo | undefined;
  /** Own workload, when all three parts are known. */
  readonly ownWorkload: WorkloadInfo | undefined;
  readonly clusterId: string;
  readonly xds: ControlPlaneAddress | undefined;
  readonly ca: ControlPlaneAddress | undefined;
  /** Node metadata of the xDS client. */
  readonly nodeMetadata: Readonly<Record<string, unknown>>;
  readonly nodeId: string;
  readonly localState: string | undefined;
  readonly packetMark: number | undefined;
  readonly originalSource: 'auto' | 'always' | 'never';
  readonly drainDeadlineMs: number;
  readonly threads: number;
  readonly adminPort: number;
  readonly statsPort: number;
  readonly dns: { readonly address: string; readonly port: number } | undefined;
  readonly nameservers: readonly string[];
  readonly searchDomains: readonly string[];
  /** Addresses by name, of the proxy's own hosts file. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** Loopback mode: the address that pods and the proxy itself use instead of namespaces. */
  readonly relay: { readonly ip: string; readonly port: number } | undefined;
  /** What was left out because it cannot be read; for the log. */
  readonly notes: readonly string[];
}

/** Reads files the configuration names; tests pass their own. Returns undefined when there is no such file. */
export type ReadText = (path: string) => string | undefined;

type Source = Readonly<Record<string, string | undefined>>;

/** Builds the configuration; `cores` are the processors of the machine. Throws `ConfigError` with every problem. */
export function readConfig(
  source: Source = process.env,
  readText: ReadText = readTextFile,
  cores: number = availableParallelism(),
): NodeProxyConfig {
  const env = readEnv(schema, source);
  const problems: string[] = [];
  const attempt = <T>(read: () => T, fallback: T): T => {
    try {
      return read();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return fallback;
    }
  };
  const proxyConfig = attempt(() => readProxyConfig(env.PROXY_CONFIG, readText), emptyProxyConfig);
  const resolv = readResolvConf(readText('/etc/resolv.conf') ?? '');
  const hosts = parseHostsFile(readText('/etc/hosts') ?? '');
  const metadata = proxyMetadata(proxyConfig.metadata, source);
  const notes: string[] = [];
  const threads = dataThreads({
    workerThreads: env.ZTUNNEL_WORKER_THREADS,
    cpuLimit: env.ZTUNNEL_CPU_LIMIT,
    resourceCpuLimit: env.ZTUNNEL_RESOURCE_CPU_LIMIT,
    resourceCpuRequest: env.ZTUNNEL_RESOURCE_CPU_REQUEST,
    concurrency: proxyConfig.concurrency,
    cores,
  });
  if (typeof threads === 'string') problems.push(threads);
  const clusterId = env.ISTIO_META_CLUSTER_ID ?? env.CLUSTER_ID;
  const config: NodeProxyConfig = {
    env,
    mode: env.PROXY_MODE,
    dedicatedWorkload: attempt(() => dedicatedWorkload(env), undefined),
    ownWorkload: ownWorkload(env),
    clusterId,
    xds: attempt(() => xdsAddress(env, proxyConfig.discoveryAddress, source), undefined),
    ca: attempt(() => caAddress(env, source), undefined),
    nodeMetadata: nodeMetadata({ env, clusterId, metadata, source }, notes),
    nodeId: `ztunnel~${env.INSTANCE_IP}~${env.POD_NAME ?? ''}.${env.POD_NAMESPACE ?? ''}~${env.POD_NAMESPACE ?? ''}.svc.cluster.local`,
    localState: attempt(() => localState(env, readText), undefined),
    packetMark: env.PACKET_MARK ?? (env.PROXY_MODE === 'shared' ? 1337 : undefined),
    originalSource: attempt(() => originalSource(env.ENABLE_ORIG_SRC), 'auto'),
    drainDeadlineMs: drainDeadlineMs(env.CONNECTION_TERMINATION_DEADLINE, env.TERMINATION_GRACE_PERIOD_SECONDS),
    threads: typeof threads === 'number' ? threads : 1,
    adminPort: proxyConfig.adminPort,
    statsPort: proxyConfig.statsPort,
    dns: attempt(() => dnsAddress(env), undefined),
    nameservers: resolv.nameservers,
    searchDomains: resolv.search,
    hosts,
    relay: attempt(() => relayAddress(env.AMBIT_LOOPBACK_RELAY), undefined),
    notes,
  };
  if (!env.ENABLE_PROXY && config.dns === undefined)
    problems.push('ENABLE_PROXY and the DNS proxy are both off: nothing to do');
  if (env.XDS_ON_DEMAND && config.dns !== undefined) problems.push('XDS_ON_DEMAND cannot be used with the DNS proxy');
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** Drain deadline: the explicit one, else from the grace period, else 5 s (spec/node-proxy.md 1.5). Milliseconds. */
export function drainDeadlineMs(explicitMs: number | undefined, graceSeconds: number | undefined): number {
  if (explicitMs !== undefined) return explicitMs;
  if (graceSeconds === undefined) return 5000;
  return Math.max(1, graceSeconds > 10 ? graceSeconds - 5 : graceSeconds - 1) * 1000;
}

interface ProxyConfig {
  readonly discoveryAddress: string | undefined;
  readonly adminPort: number;
  readonly statsPort: number;
  readonly concurrency: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const emptyProxyConfig: ProxyConfig = {
  discoveryAddress: undefined,
  adminPort: 15000,
  statsPort: 15020,
  concurrency: undefined,
  metadata: {},
};

const MESH_FILE = './etc/istio/config/mesh';

function readProxyConfig(own: string | undefined, readText: ReadText): ProxyConfig {
  const meshText = readText(MESH_FILE);
  const mesh = meshText === undefined ? {} : objectOf(yaml().parse(meshText), MESH_FILE);
  const base = objectOf(mesh['defaultConfig'] ?? {}, `${MESH_FILE} defaultConfig`);
  const override = own === undefined ? {} : objectOf(yaml().parse(own), 'PROXY_CONFIG');
  const merged = { ...base, ...override };
  const metadata = {
    ...objectOf(base['proxyMetadata'] ?? {}, 'proxyMetadata'),
    ...objectOf(override['proxyMetadata'] ?? {}, 'proxyMetadata'),
  };
  const discovery = merged['discoveryAddress'];
  const concurrency = merged['concurrency'];
  return {
    discoveryAddress: typeof discovery === 'string' ? discovery : undefined,
    adminPort: portOf(merged['proxyAdminPort'], 15000),
    statsPort: portOf(merged['statsPort'], 15020),
    concurrency: typeof concurrency === 'number' ? concurrency : undefined,
    metadata: Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, String(value)])),
  };
}

function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${where} is not a map`);
  return value as Record<string, unknown>;
}

function portOf(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536 ? value : fallback;
}

const META_PREFIX = 'ISTIO_META_';
const JSON_PREFIX = 'ISTIO_METAJSON_';

function proxyMetadata(fromFile: Readonly<Record<string, string>>, source: Source): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(fromFile)) {
    result[key.startsWith(META_PREFIX) ? key.slice(META_PREFIX.length) : key] = value;
  }
  return { ...result, ...withPrefix(source, META_PREFIX) };
}

function nodeMetadata(
  from: {
    readonly env: NodeProxyEnv;
    readonly clusterId: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly source: Source;
  },
  notes: string[],
): Record<string, unknown> {
  const { env, clusterId, metadata, source } = from;
  const result: Record<string, unknown> = {
    NAME: env.POD_NAME ?? '',
    NAMESPACE: env.POD_NAMESPACE ?? '',
    INSTANCE_IPS: env.INSTANCE_IP,
    NODE_NAME: env.NODE_NAME ?? '',
    CLUSTER_ID: clusterId,
    ...metadata,
  };
  for (const [key, value] of Object.entries(withPrefix(source, JSON_PREFIX))) {
    try {
      result[key] = JSON.parse(value);
    } catch {
      // One bad value must not stop the proxy (spec 1.5).
      notes.push(`${JSON_PREFIX}${key} is not JSON and is left out of the metadata`);
    }
  }
  return result;
}

function withPrefix(source: Source, prefix: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(source)) {
    if (key.startsWith(prefix) && key.length > prefix.length && value !== undefined)
      result[key.slice(prefix.length)] = value;
  }
  return result;
}

function headersOf(source: Source, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(withPrefix(source, prefix)).map(([key, value]) => [key.toLowerCase(), value]),
  );
}

function dedicatedWorkload(env: NodeProxyEnv): WorkloadInfo | undefined {
  if (env.PROXY_MODE !== 'dedicated') return undefined;
  const [namespace, name, ...rest] = (env.PROXY_WORKLOAD_INFO ?? '').split('/');
  const serviceAccount = rest.join('/');
  if (namespace === undefined || namespace === '' || name === undefined || name === '' || serviceAccount === '') {
    throw new Error('PROXY_WORKLOAD_INFO must be <namespace>/<name>/<service account> in dedicated mode');
  }
  return { namespace, name, serviceAccount };
}

function ownWorkload(env: NodeProxyEnv): WorkloadInfo | undefined {
  const { POD_NAME: name, POD_NAMESPACE: namespace, SERVICE_ACCOUNT: serviceAccount } = env;
  return name && namespace && serviceAccount ? { name, namespace, serviceAccount } : undefined;
}

function defaultAddress(env: NodeProxyEnv): string {
  return env.KUBERNETES_SERVICE_HOST === undefined
    ? 'https://localhost:15012'
    : 'https://istiod.istio-system.svc:15012';
}

function xdsAddress(env: NodeProxyEnv, discovery: string | undefined, source: Source): ControlPlaneAddress | undefined {
  const address = env.XDS_ADDRESS ?? discovery ?? defaultAddress(env);
  return controlPlane('XDS_ADDRESS', address, env.XDS_ROOT_CA, env.ALT_XDS_HOSTNAME, headersOf(source, 'XDS_HEADER_'));
}

function caAddress(env: NodeProxyEnv, source: Source): ControlPlaneAddress | undefined {
  if (env.FAKE_CA) return undefined;
  const address = env.CA_ADDRESS ?? defaultAddress(env);
  return controlPlane('CA_ADDRESS', address, env.CA_ROOT_CA, env.ALT_CA_HOSTNAME, headersOf(source, 'CA_HEADER_'));
}

function controlPlane(
  variable: string,
  address: string,
  rootCa: string,
  altHostname: string | undefined,
  headers: Readonly<Record<string, string>>,
): ControlPlaneAddress | undefined {
  if (address === '') return undefined;
  const text = address.includes('://') ? address : `https://${address}`;
  if (!URL.canParse(text)) throw new Error(`${variable} "${address.slice(0, 80)}" is not an address`);
  const url = new URL(text);
  const plaintext = url.protocol === 'http:';
  const port = url.port === '' ? (plaintext ? 80 : 443) : Number(url.port);
  return { host: url.hostname, port, plaintext, rootCa, altHostname, headers };
}

function localState(env: NodeProxyEnv, readText: ReadText): string | undefined {
  if (env.LOCAL_XDS !== undefined && env.LOCAL_XDS_PATH !== undefined) {
    throw new Error('LOCAL_XDS and LOCAL_XDS_PATH are both set');
  }
  if (env.LOCAL_XDS_PATH === undefined) return env.LOCAL_XDS;
  const text = readText(env.LOCAL_XDS_PATH);
  if (text === undefined) throw new Error(`LOCAL_XDS_PATH ${env.LOCAL_XDS_PATH} does not exist`);
  return text;
}

function originalSource(value: string | undefined): 'auto' | 'always' | 'never' {
  if (value === undefined) return 'auto';
  if (value === 'true') return 'always';
  if (value === 'false') return 'never';
  throw new Error(`ENABLE_ORIG_SRC must be true or false, not "${value.slice(0, 40)}"`);
}

function dnsAddress(env: NodeProxyEnv): { address: string; port: number } | undefined {
  if (env.ISTIO_META_DNS_CAPTURE.toLowerCase() !== 'true') return undefined;
  const found = hostAndPort(env.ISTIO_META_DNS_PROXY_ADDR);
  if (found === undefined) {
    throw new Error(
      `ISTIO_META_DNS_PROXY_ADDR "${env.ISTIO_META_DNS_PROXY_ADDR.slice(0, 80)}" is neither localhost:<port> nor <ip>:<port>`,
    );
  }
  return { address: found.host, port: found.port };
}

function relayAddress(value: string | undefined): { ip: string; port: number } | undefined {
  if (value === undefined) return undefined;
  const found = hostAndPort(value);
  if (found === undefined) throw new Error(`AMBIT_LOOPBACK_RELAY "${value.slice(0, 80)}" is not <ip>:<port>`);
  return { ip: found.host, port: found.port };
}

function hostAndPort(value: string): { host: string; port: number } | undefined {
  const at = value.lastIndexOf(':');
  const port = Number(value.slice(at + 1));
  const host = value.slice(0, Math.max(at, 0)).replace('[', '').replace(']', '');
  const known = host === 'localhost' || host.split('.').length === 4 || host.includes(':');
  return known && Number.isInteger(port) && port > 0 && port < 65_536 ? { host, port } : undefined;
}

function readResolvConf(text: string): { nameservers: string[]; search: string[] } {
  const nameservers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .trim()
      .split(' ')
      .filter((word) => word !== '');
    if (key === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    if (key === 'search') search = values;
  }
  return { nameservers, search };
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
