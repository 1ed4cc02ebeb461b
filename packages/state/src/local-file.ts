// The local state file (`LOCAL_XDS_PATH`, `LOCAL_XDS`; spec/node-proxy.md 1.7). In: the parsed YAML or JSON. Out: an update for the
// store, or everything that is wrong with it. Called once at start by the node proxy; pure.

import { Fields, isCount, isObject } from './local-file/fields.ts';
import { parseCidr } from './local-file/cidr.ts';
import { readPolicy } from './local-file/policy.ts';
import { canonicalIp } from './ip.ts';
import type { LoadBalancer, RoutingScope, Service } from './service.ts';
import type { StateUpdate } from './store.ts';
import type { GatewayAddress, PortMap, Workload } from './workload.ts';

/** The file's contents, or its problems, each as `path: text`. */
export type LocalFileResult =
  | { readonly kind: 'ok'; readonly update: StateUpdate }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Reads the file. Unknown keys are problems; the defaults of WDS do not apply here, only `capacity` is 1. */
export function readLocalFile(contents: unknown): LocalFileResult {
  const problems: string[] = [];
  const fields = new Fields('file', contents, problems);
  const update = {
    workloads: fields.list('workloads', (value, path) => readWorkload(new Fields(path, value, problems), problems)),
    policies: fields.list('policies', (value, path) => readPolicy(new Fields(path, value, problems), problems)),
    services: fields.list('services', (value, path) => readService(new Fields(path, value, problems), problems)),
  };
  fields.end();
  return problems.length === 0 ? { kind: 'ok', update } : { kind: 'invalid', problems };
}

const scopes: Readonly<Record<string, RoutingScope>> = {
  Region: 'REGION',
  Zone: 'ZONE',
  Subzone: 'SUBZONE',
  Node: 'NODE',
  Cluster: 'CLUSTER',
  Network: 'NETWORK',
};
const workloadTypes = { deployment: 'deployment', cronjob: 'cronjob', pod: 'pod', job: 'job' } as const;

function readWorkload(fields: Fields, problems: string[]): Workload {
  const tunnel = fields.has('applicationTunnel')
    ? readTunnel(new Fields(fields.pathOf('applicationTunnel'), fields.value('applicationTunnel'), problems))
    : undefined;
  const locality = new Fields(fields.pathOf('locality'), fields.value('locality') ?? {}, problems);
  const workload: Workload = {
    uid: fields.text('uid', ''),
    name: fields.text('name', ''),
    namespace: fields.text('namespace'),
    ips: fields.list('workloadIps', (value, path) => readIp(value, path, problems), true),
    hostname: fields.text('hostname', ''),
    network: fields.text('network', ''),
    protocol: fields.choice('protocol', { TCP: 'TCP', HBONE: 'HBONE' } as const, 'TCP') ?? 'TCP',
    trustDomain: fields.text('trustDomain', ''),
    serviceAccount: fields.text('serviceAccount', ''),
    waypoint: readGateway(fields, 'waypoint', problems),
    networkGateway: readGateway(fields, 'networkGateway', problems),
    node: fields.text('node', ''),
    canonicalName: fields.text('canonicalName', ''),
    canonicalRevision: fields.text('canonicalRevision', ''),
    workloadType: fields.choice('workloadType', workloadTypes, 'deployment') ?? 'deployment',
    workloadName: fields.text('workloadName', ''),
    nativeTunnel: fields.flag('nativeTunnel', false),
    applicationTunnel: tunnel,
    services: readMemberships(fields),
    authorizationPolicies: fields.list('authorizationPolicies', (value) =>
      typeof value === 'string' ? value : undefined,
    ),
    healthy: fields.choice('status', { Healthy: true, Unhealthy: false }, true) ?? true,
    clusterId: fields.text('clusterId', ''),
    locality: {
      region: locality.text('region', ''),
      zone: locality.text('zone', ''),
      subzone: locality.text('subzone', ''),
    },
    hostNetwork: fields.choice('networkMode', { Standard: false, HostNetwork: true }, false) ?? false,
    capacity: fields.count('capacity', 1),
  };
  locality.end();
  fields.end();
  return workload;
}

function readService(fields: Fields, problems: string[]): Service {
  const balancer = fields.has('loadBalancer')
    ? readLoadBalancer(new Fields(fields.pathOf('loadBalancer'), fields.value('loadBalancer'), problems))
    : undefined;
  const service: Service = {
    name: fields.text('name'),
    namespace: fields.text('namespace'),
    hostname: fields.text('hostname'),
    vips: fields.list('vips', (value, path) => readNetworkAddress(value, path, problems), true),
    cidrVips: fields.list('cidrVips', (value, path) => readCidrVip(new Fields(path, value, problems), problems)),
    ports: readPorts(fields, 'ports', true),
    subjectAltNames: fields.list('subjectAltNames', (value) => (typeof value === 'string' ? value : undefined)),
    waypoint: readGateway(fields, 'waypoint', problems),
    weightedWaypoints: fields.list('weightedWaypoints', (value, path) =>
      readWeighted(new Fields(path, value, problems), problems),
    ),
    loadBalancer: balancer,
    ipFamilies: fields.has('ipFamilies')
      ? fields.choice('ipFamilies', { IPv4: 'IPV4', IPv6: 'IPV6', Dual: 'DUAL' } as const)
      : undefined,
    canonical: fields.flag('canonical', false),
    visibility:
      fields.choice('visibility', { Public: 'PUBLIC', Namespace: 'NAMESPACE' } as const, 'PUBLIC') ?? 'PUBLIC',
  };
  // Endpoints follow from the workloads' `services`; the key exists because /config_dump prints it.
  fields.value('endpoints');
  fields.end();
  return service;
}

function readTunnel(fields: Fields): Workload['applicationTunnel'] {
  const protocol = fields.choice('protocol', { NONE: 'NONE', PROXY: 'PROXY' } as const) ?? 'NONE';
  const port = fields.count('port', 0);
  fields.end();
  return { protocol, port: port === 0 ? undefined : port };
}

function readLoadBalancer(fields: Fields): LoadBalancer {
  const modes = { Standard: 'STANDARD', Strict: 'STRICT', Failover: 'FAILOVER', Passthrough: 'PASSTHROUGH' } as const;
  const balancer: LoadBalancer = {
    mode: fields.choice('mode', modes) ?? 'STANDARD',
    routingPreferences: fields.list(
      'routingPreferences',
      (value) => scopes[String(value)] ?? fields.problem('routingPreferences', 'unknown scope'),
      true,
    ),
    healthPolicy:
      fields.choice('healthPolicy', { OnlyHealthy: 'ONLY_HEALTHY', AllowAll: 'ALLOW_ALL' } as const) ?? 'ONLY_HEALTHY',
  };
  fields.end();
  return balancer;
}

function readGateway(parent: Fields, key: string, problems: string[]): GatewayAddress | undefined {
  if (!parent.has(key)) return undefined;
  const fields = new Fields(parent.pathOf(key), parent.value(key), problems);
  const text = fields.text('destination');
  const hboneMtlsPort = fields.count('hboneMtlsPort');
  fields.end();
  const at = text.indexOf('/');
  if (at < 0) return fields.problem('destination', 'expected network/ip or namespace/hostname');
  const [before, after] = [text.slice(0, at), text.slice(at + 1)];
  const ip = canonicalIp(after);
  const destination =
    ip === undefined
      ? ({ kind: 'hostname', namespace: before, hostname: after } as const)
      : ({ kind: 'address', network: before, ip } as const);
  return { destination, hboneMtlsPort };
}

function readWeighted(fields: Fields, problems: string[]): Service['weightedWaypoints'][number] | undefined {
  const destination = readGateway(fields, 'destination', problems);
  const weight = fields.count('weight');
  fields.end();
  return destination === undefined ? fields.problem('destination', 'is required') : { destination, weight };
}

function readCidrVip(fields: Fields, problems: string[]): Service['cidrVips'][number] | undefined {
  const network = fields.text('network', '');
  const cidr = fields.text('cidr');
  fields.end();
  const range = parseCidr(cidr);
  if (range === undefined) problems.push(`${fields.pathOf('cidr')}: expected address/length`);
  return range === undefined ? undefined : { network, ...range };
}

function readNetworkAddress(
  value: unknown,
  path: string,
  problems: string[],
): { network: string; ip: string } | undefined {
  const text = typeof value === 'string' ? value : '';
  const at = text.indexOf('/');
  const ip = canonicalIp(text.slice(at + 1));
  if (at >= 0 && ip !== undefined) return { network: text.slice(0, at), ip };
  problems.push(`${path}: expected network/ip`);
  return undefined;
}

function readIp(value: unknown, path: string, problems: string[]): string | undefined {
  const ip = typeof value === 'string' ? canonicalIp(value) : undefined;
  if (ip === undefined) problems.push(`${path}: expected an IP address`);
  return ip;
}

function readMemberships(fields: Fields): Readonly<Record<string, PortMap>> {
  const services: Record<string, PortMap> = {};
  for (const [key, ports] of fields.entries('services', true)) {
    if (!key.includes('/')) fields.problem('services', `${key.slice(0, 64)} is not namespace/hostname`);
    else services[key] = portMapOf(ports) ?? fields.problem('services', `${key}: expected ports`) ?? {};
  }
  return services;
}

function readPorts(fields: Fields, key: string, isRequired: boolean): PortMap {
  return portMapOf(Object.fromEntries(fields.entries(key, isRequired))) ?? fields.problem(key, 'expected ports') ?? {};
}

function portMapOf(value: unknown): PortMap | undefined {
  if (!isObject(value)) return undefined;
  const ports: Record<number, number> = {};
  for (const [from, to] of Object.entries(value)) {
    const service = Number(from);
    if (!isPort(service) || !isPort(to)) return undefined;
    ports[service] = to;
  }
  return ports;
}

function isPort(value: unknown): value is number {
  return isCount(value) && value <= 0xffff;
}
