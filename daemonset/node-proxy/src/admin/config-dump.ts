/**
 * The snapshot, pods and certificates in; the JSON of `/config_dump` out (spec/node-proxy.md 9.6). Pure; main thread.
 */
import { X509Certificate } from 'node:crypto';
import type { CertificateState } from '@ambit/identity/certificate-manager';
import { certificatesOfPem, toPem } from '@ambit/identity/x509/pem';
import {
  type Endpoint,
  type GatewayAddress,
  type Policy,
  policyKey,
  type PolicyMatch,
  type Service,
  serviceKey,
  type Snapshot,
  type StringMatch,
  type Workload,
} from '@ambit/state';
import type { PodState } from '../inpod/workload-manager.ts';
import type { LocalState } from '../updates/local-file.ts';
import type { DumpedConnection } from '../threads/messages.ts';

/** Everything the dump shows. */
export interface DumpInput {
  readonly snapshot: Snapshot;
  readonly certificates: ReadonlyMap<string, CertificateState>;
  readonly pods: readonly PodState[] | undefined;
  readonly connections: ReadonlyMap<string, readonly DumpedConnection[]>;
  readonly config: unknown;
  /** What the local state file contributes. */
  readonly localState: LocalState | undefined;
  readonly version: unknown;
}

/** The whole dump as text: two spaces, keys sorted. */
export function configDump(input: DumpInput): string {
  const { snapshot } = input;
  const workloads = [...snapshot.workloads.values()].sort(by((workload) => workload.uid)).map(dumpWorkload);
  const services = [...snapshot.services.values()]
    .sort(by((service) => service.hostname))
    .map((service) => dumpService(service, snapshot.endpoints.get(serviceKey(service))));
  const policies = [...snapshot.policies.values()].sort(by(policyKey)).map(dumpPolicy);
  const dump = {
    workloads,
    services,
    policies,
    stagedServices: dumpStaged(snapshot),
    staticConfig: dumpStatic(input.localState),
    certificates: [...input.certificates].sort(by(([identity]) => identity)).map(dumpCertificate),
    config: input.config,
    version: input.version,
    ...(input.pods === undefined ? {} : { workloadState: dumpPods(input.pods, input.connections) }),
  };
  return `${JSON.stringify(sortKeys(dump), undefined, 2)}\n`;
}

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(by(([key]) => key))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}

function dumpWorkload(workload: Workload): Record<string, unknown> {
  return {
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    workloadIps: workload.ips,
    protocol: workload.protocol,
    networkMode: workload.hostNetwork ? 'HostNetwork' : 'Standard',
    status: workload.healthy ? 'Healthy' : 'Unhealthy',
    clusterId: workload.clusterId,
    capacity: workload.capacity,
    trustDomain: text(workload.trustDomain),
    serviceAccount: text(workload.serviceAccount),
    network: text(workload.network),
    hostname: text(workload.hostname),
    node: text(workload.node),
    workloadName: text(workload.workloadName),
    workloadType: workload.workloadType,
    canonicalName: text(workload.canonicalName),
    canonicalRevision: text(workload.canonicalRevision),
    nativeTunnel: workload.nativeTunnel || undefined,
    waypoint: gateway(workload.waypoint),
    networkGateway: gateway(workload.networkGateway),
    applicationTunnel: workload.applicationTunnel,
    authorizationPolicies: list(workload.authorizationPolicies),
    services: Object.keys(workload.services),
    locality: Object.values(workload.locality).some((part) => part !== '') ? workload.locality : undefined,
  };
}

type Members = ReadonlyMap<string, Endpoint> | undefined;

function dumpEndpoints(members: Members): Record<string, unknown> {
  const endpoints = [...(members?.values() ?? [])].map(({ workload, ports }) => [
    workload.uid,
    { workloadUid: workload.uid, port: ports, status: workload.healthy ? 'Healthy' : 'Unhealthy' },
  ]);
  return Object.fromEntries(endpoints);
}

/** Members of services that are not known (yet): `namespace/hostname` to uid to endpoint. */
function dumpStaged(snapshot: Snapshot): Record<string, unknown> {
  const staged: Record<string, unknown> = {};
  for (const key of snapshot.endpoints.keys()) {
    const members = snapshot.endpoints.get(key);
    if (members !== undefined && members.size > 0 && !snapshot.services.has(key)) staged[key] = dumpEndpoints(members);
  }
  return staged;
}

function dumpStatic(local: LocalState | undefined): Record<string, unknown> {
  return {
    workloads: local?.workloads.map(dumpWorkload) ?? [],
    services: local?.services.map((service) => dumpService(service, undefined)) ?? [],
    policies: local?.policies.map(dumpPolicy) ?? [],
  };
}

function dumpService(service: Service, members: Members): Record<string, unknown> {
  const balancer = service.loadBalancer;
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.vips.map(({ network, ip }) => `${network}/${ip}`),
    cidrVips: list(service.cidrVips.map(({ network, ip, length }) => ({ network, cidr: `${ip}/${length}` }))),
    ports: service.ports,
    endpoints: dumpEndpoints(members),
    subjectAltNames: service.subjectAltNames,
    waypoint: gateway(service.waypoint),
    weightedWaypoints: list(
      service.weightedWaypoints.map(({ destination, weight }) => ({ destination: gateway(destination), weight })),
    ),
    loadBalancer:
      balancer === undefined
        ? undefined
        : {
            mode: title(balancer.mode),
            routingPreferences: balancer.routingPreferences.map(title),
            healthPolicy: balancer.healthPolicy === 'ALLOW_ALL' ? 'AllowAll' : 'OnlyHealthy',
          },
    ipFamilies: service.ipFamilies === undefined ? undefined : families[service.ipFamilies],
    canonical: service.canonical,
    visibility: title(service.visibility),
  };
}

const families = { IPV4: 'IPv4', IPV6: 'IPv6', DUAL: 'Dual' } as const;

function dumpPolicy(policy: Policy): Record<string, unknown> {
  const scopes = { GLOBAL: 'Global', NAMESPACE: 'Namespace', WORKLOAD_SELECTOR: 'WorkloadSelector' } as const;
  return {
    name: policy.name,
    namespace: policy.namespace,
    scope: scopes[policy.scope],
    action: title(policy.action),
    dryRun: policy.dryRun,
    rules: policy.rules.map((rule) => rule.map((clause) => clause.map(dumpMatch))),
    broken: policy.broken,
  };
}

function dumpMatch(match: PolicyMatch): Record<string, unknown> {
  const strings = (values: readonly StringMatch[] | undefined) => list(values?.map(dumpString));
  const ranges = (values: PolicyMatch['sourceIps']) => list(values?.map(({ ip, length }) => `${ip}/${length}`));
  return {
    namespaces: strings(match.namespaces),
    notNamespaces: strings(match.notNamespaces),
    principals: strings(match.principals),
    notPrincipals: strings(match.notPrincipals),
    serviceAccounts: list(match.serviceAccounts),
    notServiceAccounts: list(match.notServiceAccounts),
    sourceIps: ranges(match.sourceIps),
    notSourceIps: ranges(match.notSourceIps),
    destinationIps: ranges(match.destinationIps),
    notDestinationIps: ranges(match.notDestinationIps),
    destinationPorts: list(match.destinationPorts),
    notDestinationPorts: list(match.notDestinationPorts),
  };
}

function dumpString(match: StringMatch): Record<string, unknown> {
  return match.kind === 'presence' ? { Presence: [] } : { [title(match.kind)]: match.value };
}

function dumpCertificate([identity, state]: [string, CertificateState]): Record<string, unknown> {
  if (state.kind === 'initializing') return { identity, state: 'Initializing', certChain: [], rootCerts: [] };
  if (state.kind === 'unavailable') {
    const why = state.error instanceof Error ? state.error.message : String(state.error);
    return { identity, state: `Unavailable: ${why}`, certChain: [], rootCerts: [] };
  }
  return {
    identity,
    state: 'Available',
    certChain: certificatesOfPem(state.certificate.certChainPem).map(dumpX509),
    rootCerts: certificatesOfPem(state.certificate.rootsPem).map(dumpX509),
  };
}

function dumpX509(der: Buffer): Record<string, unknown> {
  const certificate = new X509Certificate(der);
  return {
    pem: Buffer.from(toPem('CERTIFICATE', der)).toString('base64'),
    serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
    validFrom: seconds(certificate.validFrom),
    expirationTime: seconds(certificate.validTo),
  };
}

function seconds(date: string): string {
  return `${new Date(date).toISOString().slice(0, 19)}Z`;
}

function dumpPods(
  pods: readonly PodState[],
  connections: ReadonlyMap<string, readonly DumpedConnection[]>,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const { uid, state, workload } of pods) {
    // Threads know a pod by its uid and the number of its start.
    const open = [...connections].filter(([key]) => key.startsWith(`${uid}#`)).flatMap(([, entries]) => entries);
    const show = (direction: DumpedConnection['direction']) =>
      open.filter((one) => one.direction === direction).map(({ direction: _direction, ...rest }) => rest);
    result[uid] = {
      state,
      info: workload,
      connections: state === 'Up' ? { inbound: show('inbound'), outbound: show('outbound') } : undefined,
    };
  }
  return result;
}

function gateway(address: GatewayAddress | undefined): Record<string, unknown> | undefined {
  if (address === undefined) return undefined;
  const { destination, hboneMtlsPort } = address;
  const where =
    destination.kind === 'address'
      ? `${destination.network}/${destination.ip}`
      : `${destination.namespace}/${destination.hostname}`;
  return { destination: where, hboneMtlsPort };
}

function text(value: string): string | undefined {
  return value === '' ? undefined : value;
}

function list<T>(values: readonly T[] | undefined): readonly T[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

function title(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
}
