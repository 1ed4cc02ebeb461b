/**
 * The local state file in; records of the store out. Pure; called by `app.ts` on the main thread.
 *
 * Keys and defaults: spec/node-proxy.md 1.7. Unknown keys and wrong types are errors that name the place, because a
 * silent typo in a policy would widen access. Limit: 16 MiB of text.
 */
import { canonicalIp } from '@ambit/state/ip';
import type { GatewayAddress, Policy, PolicyMatch, PortMap, Service, StringMatch, Workload } from '@ambit/state';
import type { parseDocument } from 'yaml';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import { yaml } from '../yaml.ts';

/** What a local file contributes to the store. */
export interface LocalState {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly Policy[];
}

const MAX_TEXT_LENGTH = 16 * 1024 * 1024;

/** Reads the text. Throws `ERR_NODE_PROXY_LOCAL_STATE` with the place of the first problem. */
export function parseLocalState(text: string): LocalState {
  if (text.length > MAX_TEXT_LENGTH) throw problem('the file', `is over ${MAX_TEXT_LENGTH} characters`);
  const root = new Fields('the file', readYaml(text));
  const state = {
    workloads: root.list('workloads', workloadOf),
    services: root.list('services', serviceOf),
    policies: root.list('policies', policyOf),
  };
  root.done();
  return state;
}

function readYaml(text: string): unknown {
  const customTags = (['Exact', 'Prefix', 'Suffix'] as const).map((tag) => ({
    tag: `!${tag}`,
    resolve: (value: string): StringMatch => ({ kind: tagKind[tag], value }),
  }));
  const presence = { tag: '!Presence', collection: 'seq' as const, resolve: () => ({ kind: 'presence' }) };
  const document = yaml().parseDocument(text, { customTags: [...customTags, presence], maxAliasCount: 0 } as Parameters<
    typeof parseDocument
  >[1]);
  const [error] = document.errors;
  if (error !== undefined) throw problem('the file', `is no valid YAML: ${error.message.split('\n')[0] ?? ''}`);
  return document.toJS({ maxAliasCount: 0 }) ?? {};
}

const tagKind = { Exact: 'exact', Prefix: 'prefix', Suffix: 'suffix' } as const;

function problem(where: string, what: string): NodeProxyError {
  return new NodeProxyError('ERR_NODE_PROXY_LOCAL_STATE', `local state: ${where} ${what}`);
}

/** Reads the members of one map, remembers which were asked for, and refuses the rest. */
class Fields {
  readonly where: string;
  readonly #map: Readonly<Record<string, unknown>>;
  readonly #seen = new Set<string>();

  constructor(where: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw problem(where, 'is not a map');
    this.where = where;
    this.#map = value as Record<string, unknown>;
  }

  raw(key: string): unknown {
    this.#seen.add(key);
    return this.#map[key] ?? undefined;
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'string')
      throw problem(`${this.where}.${key}`, value === undefined ? 'is missing' : 'is not a text');
    return value;
  }

  bool(key: string, fallback?: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'boolean') throw problem(`${this.where}.${key}`, 'is neither true nor false');
    return value;
  }

  int(key: string, fallback?: number): number {
    return intOf(this.raw(key) ?? fallback, `${this.where}.${key}`);
  }

  choice<const T extends string>(key: string, values: readonly T[], fallback?: T): T {
    const value = this.raw(key) ?? fallback;
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw problem(`${this.where}.${key}`, `is none of ${values.join(', ')}`);
    return found;
  }

  list<T>(key: string, read: (value: unknown, where: string) => T, required = false): T[] {
    const value = this.raw(key) ?? (required ? undefined : []);
    if (!Array.isArray(value)) throw problem(`${this.where}.${key}`, 'is not a list');
    return value.map((item, index) => read(item, `${this.where}.${key}[${index}]`));
  }

  entries<T>(key: string, read: (value: unknown, where: string) => T): [string, T][] {
    const value = this.raw(key) ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) throw problem(`${this.where}.${key}`, 'is not a map');
    return Object.entries(value).map(([name, item]) => [name, read(item, `${this.where}.${key}.${name}`)]);
  }

  optional<T>(key: string, read: (value: unknown, where: string) => T): T | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : read(value, `${this.where}.${key}`);
  }

  done(): void {
    const unknown = Object.keys(this.#map).find((key) => !this.#seen.has(key));
    if (unknown !== undefined) throw problem(`${this.where}.${unknown}`, 'is no known key');
  }
}

function intOf(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw problem(where, 'is not a whole number');
  return value;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw problem(where, 'is not a text');
  return value;
}

function ipOf(value: unknown, where: string): string {
  const ip = typeof value === 'string' ? canonicalIp(value) : undefined;
  if (ip === undefined) throw problem(where, 'is not an address');
  return ip;
}

function portMapOf(value: unknown, where: string): PortMap {
  const fields = new Fields(where, value);
  const result: Record<number, number> = {};
  for (const port of Object.keys(value as object)) result[Number(port)] = fields.int(port);
  return result;
}

function networkIpOf(value: unknown, where: string): { network: string; ip: string } {
  const text = textOf(value, where);
  const at = text.indexOf('/');
  if (at < 0) throw problem(where, 'is not <network>/<ip>');
  return { network: text.slice(0, at), ip: ipOf(text.slice(at + 1), where) };
}

function gatewayOf(value: unknown, where: string): GatewayAddress {
  const fields = new Fields(where, value);
  const text = fields.text('destination');
  const hboneMtlsPort = fields.int('hboneMtlsPort', 15008);
  fields.done();
  const at = text.indexOf('/');
  const tail = text.slice(at + 1);
  const ip = at < 0 ? undefined : canonicalIp(tail);
  if (at < 0) throw problem(where, 'is neither <network>/<ip> nor <namespace>/<hostname>');
  if (ip !== undefined) return { destination: { kind: 'address', network: text.slice(0, at), ip }, hboneMtlsPort };
  return { destination: { kind: 'hostname', namespace: text.slice(0, at), hostname: tail }, hboneMtlsPort };
}

function workloadOf(value: unknown, where: string): Workload {
  const fields = new Fields(where, value);
  const name = fields.text('name', '');
  const namespace = fields.text('namespace');
  const tunnel = fields.optional('applicationTunnel', (item, at) => {
    const inner = new Fields(at, item);
    const result = {
      protocol: inner.choice('protocol', ['NONE', 'PROXY'], 'NONE'),
      port: inner.optional('port', intOf),
    };
    inner.done();
    return result;
  });
  const locality = new Fields(`${where}.locality`, fields.raw('locality') ?? {});
  const workload: Workload = {
    uid: fields.text('uid', `local/${namespace}/${name}`),
    name,
    namespace,
    ips: fields.list('workloadIps', ipOf),
    hostname: fields.text('hostname', ''),
    network: fields.text('network', ''),
    protocol: fields.choice('protocol', ['TCP', 'HBONE'], 'TCP'),
    trustDomain: fields.text('trustDomain', 'cluster.local'),
    serviceAccount: fields.text('serviceAccount', 'default'),
    waypoint: fields.optional('waypoint', gatewayOf),
    networkGateway: fields.optional('networkGateway', gatewayOf),
    node: fields.text('node', ''),
    canonicalName: fields.text('canonicalName', ''),
    canonicalRevision: fields.text('canonicalRevision', ''),
    workloadType: fields.choice('workloadType', ['deployment', 'cronjob', 'pod', 'job'], 'deployment'),
    workloadName: fields.text('workloadName', ''),
    nativeTunnel: fields.bool('nativeTunnel', false),
    applicationTunnel: tunnel,
    services: Object.fromEntries(fields.entries('services', portMapOf)),
    authorizationPolicies: fields.list('authorizationPolicies', textOf),
    healthy: fields.choice('status', ['Healthy', 'Unhealthy'], 'Healthy') === 'Healthy',
    clusterId: fields.text('clusterId', 'Kubernetes'),
    locality: {
      region: locality.text('region', ''),
      zone: locality.text('zone', ''),
      subzone: locality.text('subzone', ''),
    },
    hostNetwork: fields.choice('networkMode', ['Standard', 'HostNetwork'], 'Standard') === 'HostNetwork',
    capacity: fields.int('capacity', 1),
  };
  fields.done();
  return workload;
}

function serviceOf(value: unknown, where: string): Service {
  const fields = new Fields(where, value);
  const balancer = fields.optional('loadBalancer', (item, at) => {
    const inner = new Fields(at, item);
    const result = {
      mode: upper(inner.choice('mode', ['Standard', 'Strict', 'Failover', 'Passthrough'])),
      routingPreferences: inner.list('routingPreferences', (scope, place) => {
        const names = ['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network'] as const;
        const found = names.find((candidate) => candidate === scope);
        if (found === undefined) throw problem(place, `is none of ${names.join(', ')}`);
        return upper(found);
      }),
      healthPolicy:
        inner.choice('healthPolicy', ['OnlyHealthy', 'AllowAll']) === 'AllowAll'
          ? ('ALLOW_ALL' as const)
          : ('ONLY_HEALTHY' as const),
    };
    inner.done();
    return result;
  });
  const families = fields.optional('ipFamilies', (item, at) => {
    if (item === 'IPv4' || item === 'IPv6' || item === 'Dual') return upper(item);
    throw problem(at, 'is none of IPv4, IPv6, Dual');
  });
  // The endpoints of a dump are read back from the workloads that name the service.
  fields.raw('endpoints');
  const service: Service = {
    name: fields.text('name'),
    namespace: fields.text('namespace'),
    hostname: fields.text('hostname'),
    vips: fields.list('vips', networkIpOf),
    cidrVips: fields.list('cidrVips', (item, at) => {
      const inner = new Fields(at, item);
      return { network: inner.text('network', ''), ...cidrOf(inner.text('cidr'), at) };
    }),
    ports: fields.optional('ports', portMapOf) ?? {},
    subjectAltNames: fields.list('subjectAltNames', textOf),
    waypoint: fields.optional('waypoint', gatewayOf),
    weightedWaypoints: fields.list('weightedWaypoints', (item, at) => {
      const inner = new Fields(at, item);
      return { destination: gatewayOf(inner.raw('destination'), at), weight: inner.int('weight') };
    }),
    loadBalancer: balancer,
    ipFamilies: families,
    canonical: fields.bool('canonical', false),
    visibility: upper(fields.choice('visibility', ['Public', 'Namespace'], 'Public')),
  };
  fields.done();
  return service;
}

function upper<T extends string>(text: T): Uppercase<T> {
  return text.toUpperCase() as Uppercase<T>;
}

function cidrOf(value: unknown, where: string): { ip: string; length: number } {
  const [address, bits, ...rest] = textOf(value, where).split('/');
  const ip = ipOf(address, where);
  const full = ip.includes(':') ? 128 : 32;
  const length = bits === undefined ? full : Number(bits);
  if (rest.length > 0 || !Number.isInteger(length) || length < 0 || length > full)
    throw problem(where, 'is not a range');
  return { ip, length };
}

function policyOf(value: unknown, where: string): Policy {
  const fields = new Fields(where, value);
  const scopes = { Global: 'GLOBAL', Namespace: 'NAMESPACE', WorkloadSelector: 'WORKLOAD_SELECTOR' } as const;
  const policy: Policy = {
    name: fields.text('name'),
    namespace: fields.text('namespace'),
    scope: scopes[fields.choice('scope', ['Global', 'Namespace', 'WorkloadSelector'])],
    action: upper(fields.choice('action', ['Allow', 'Deny'])),
    dryRun: fields.bool('dryRun', false),
    rules: fields.list(
      'rules',
      (rule, at) => listOf(rule, at, (clause, place) => listOf(clause, place, matchOf)),
      true,
    ),
  };
  fields.done();
  return policy;
}

function listOf<T>(value: unknown, where: string, read: (item: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) throw problem(where, 'is not a list');
  return value.map((item, index) => read(item, `${where}[${index}]`));
}

function matchOf(value: unknown, where: string): PolicyMatch {
  const fields = new Fields(where, value);
  const account = (item: unknown, at: string): { namespace: string; serviceAccount: string } => {
    const inner = new Fields(at, item);
    return { namespace: inner.text('namespace'), serviceAccount: inner.text('serviceAccount') };
  };
  const match: PolicyMatch = {
    namespaces: fields.list('namespaces', stringMatchOf),
    notNamespaces: fields.list('notNamespaces', stringMatchOf),
    principals: fields.list('principals', stringMatchOf),
    notPrincipals: fields.list('notPrincipals', stringMatchOf),
    serviceAccounts: fields.list('serviceAccounts', account),
    notServiceAccounts: fields.list('notServiceAccounts', account),
    sourceIps: fields.list('sourceIps', cidrOf),
    notSourceIps: fields.list('notSourceIps', cidrOf),
    destinationIps: fields.list('destinationIps', cidrOf),
    notDestinationIps: fields.list('notDestinationIps', cidrOf),
    destinationPorts: fields.list('destinationPorts', intOf),
    notDestinationPorts: fields.list('notDestinationPorts', intOf),
  };
  fields.done();
  return match;
}

/** `!Exact x` and its siblings arrive as our own objects; plain maps and texts are refused, as ztunnel does. */
function stringMatchOf(value: unknown, where: string): StringMatch {
  const isTagged = typeof value === 'object' && value !== null && 'kind' in value;
  if (!isTagged) throw problem(where, 'is not one of !Exact, !Prefix, !Suffix, !Presence []');
  return value as StringMatch;
}
