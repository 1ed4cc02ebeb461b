// In: a dump and filters. Out: listings with the columns of `ztunnel-config` (spec user-tools 2.2). Pure. Called by show.ts.
import { isIP } from 'node:net';
import type { Listing } from '../output/print-listing.ts';
import {
  type AgentDump,
  byName,
  type DumpCertificate,
  type DumpPod,
  type DumpService,
  type DumpWorkload,
  type DumpX509,
  waypointNameOf,
} from './dump.ts';

/** What to show of a dump. */
export interface ViewFilter {
  readonly namespace?: string;
  readonly name?: string;
  readonly address?: string;
  readonly node?: string;
  readonly direction?: 'inbound' | 'outbound';
  /** Addresses instead of names. */
  readonly raw?: boolean;
}

const fits = (filter: string | undefined, value: string | undefined): boolean =>
  filter === undefined || filter.toLowerCase() === (value ?? '').toLowerCase();

/** `ztunnel-config workload`. */
export function workloadView(dump: AgentDump, filter: ViewFilter): Listing<DumpWorkload> {
  const rows = byName(dump.workloads).filter(
    (workload) =>
      fits(filter.namespace, workload.namespace) &&
      fits(filter.name, workload.name) &&
      fits(filter.node, workload.node) &&
      (filter.address === undefined || (workload.workloadIps ?? []).includes(filter.address)),
  );
  return {
    kind: 'WorkloadList',
    rows,
    document: rows,
    name: (workload) => `pod/${workload.name ?? ''}`,
    columns: [
      { header: 'NAMESPACE', of: (workload) => workload.namespace ?? '' },
      { header: 'POD NAME', of: (workload) => workload.name ?? '' },
      {
        header: 'ADDRESS',
        of: (workload) => (workload.workloadIps?.length ? workload.workloadIps.join(',') : (workload.hostname ?? '')),
      },
      { header: 'NODE', of: (workload) => workload.node ?? '' },
      { header: 'WAYPOINT', of: (workload) => waypointNameOf(workload, dump.services) },
      { header: 'PROTOCOL', of: (workload) => workload.protocol ?? '' },
      { header: 'SERVICE ACCOUNT', of: (workload) => workload.serviceAccount ?? '', wide: true },
      { header: 'STATUS', of: (workload) => workload.status ?? '', wide: true },
      { header: 'POLICIES', of: (workload) => (workload.authorizationPolicies ?? []).join(','), wide: true },
    ],
  };
}

const afterSlash = (text: string): string => text.slice(text.indexOf('/') + 1);

function endpointsOf(service: DumpService): string {
  const endpoints = Object.values(service.endpoints ?? {});
  const healthy = endpoints.filter(({ status = 'Healthy' }) => status.toLowerCase() === 'healthy').length;
  return `${healthy}/${endpoints.length}`;
}

/** `ztunnel-config service`. */
export function serviceView(dump: AgentDump, filter: ViewFilter): Listing<DumpService> {
  const rows = byName(dump.services).filter((service) => fits(filter.namespace, service.namespace));
  return {
    kind: 'ServiceList',
    rows,
    document: rows,
    name: (service) => `service/${service.name ?? ''}`,
    columns: [
      { header: 'NAMESPACE', of: (service) => service.namespace ?? '' },
      { header: 'SERVICE NAME', of: (service) => service.name ?? '' },
      { header: 'SERVICE VIP', of: (service) => (service.vips ?? []).map(afterSlash).join(',') || 'None' },
      { header: 'WAYPOINT', of: (service) => waypointNameOf(service, dump.services) },
      { header: 'ENDPOINTS', of: endpointsOf },
      { header: 'HOSTNAME', of: (service) => service.hostname ?? '', wide: true },
      {
        header: 'PORTS',
        of: (service) =>
          Object.entries(service.ports ?? {})
            .map(([port, target]) => `${port}:${target}`)
            .join(','),
        wide: true,
      },
    ],
  };
}

/** `ztunnel-config policy`. */
export function policyView(dump: AgentDump, filter: ViewFilter): Listing<AgentDump['policies'][number]> {
  const rows = byName(dump.policies).filter((policy) => fits(filter.namespace, policy.namespace));
  return {
    kind: 'PolicyList',
    rows,
    document: rows,
    name: (policy) => `policy/${policy.name ?? ''}`,
    columns: [
      { header: 'NAMESPACE', of: (policy) => policy.namespace ?? '' },
      { header: 'POLICY NAME', of: (policy) => policy.name ?? '' },
      { header: 'ACTION', of: (policy) => policy.action ?? '' },
      { header: 'SCOPE', of: (policy) => policy.scope ?? '' },
      { header: 'DRY RUN', of: (policy) => String(policy.dryRun === true), wide: true },
      { header: 'RULES', of: (policy) => String((policy.rules ?? []).length), wide: true },
    ],
  };
}

interface CertificateRow {
  readonly of: DumpCertificate;
  readonly type: string;
  readonly certificate: DumpX509 | undefined;
}

const orNone = (text: string | undefined): string => (text === undefined || text === '' ? 'NA' : text);

function isValid(certificate: DumpX509 | undefined, nowMs: number): boolean {
  if (certificate?.validFrom === undefined || certificate.expirationTime === undefined) return false;
  return Date.parse(certificate.validFrom) < nowMs && nowMs < Date.parse(certificate.expirationTime);
}

/** Decimal to hexadecimal, as istioctl prints serial numbers. */
function serialOf(certificate: DumpX509 | undefined): string {
  try {
    return certificate?.serialNumber === undefined ? 'NA' : BigInt(certificate.serialNumber).toString(16);
  } catch {
    return certificate?.serialNumber ?? 'NA';
  }
}

function rowsOf(entry: DumpCertificate): readonly CertificateRow[] {
  const chain = entry.certChain ?? [];
  const roots = entry.rootCerts ?? [];
  if (chain.length === 0) return [{ of: entry, type: 'NA', certificate: undefined }];
  // Older proxies put the root at the end of the chain.
  const hasRootInChain = roots.length === 0;
  return [
    ...chain.map((certificate, index) => ({
      of: entry,
      type: index === 0 ? 'Leaf' : index === chain.length - 1 && hasRootInChain ? 'Root' : 'Intermediate',
      certificate,
    })),
    ...roots.map((certificate) => ({ of: entry, type: 'Root', certificate })),
  ];
}

/** `ztunnel-config certificate`. */
export function certificateView(dump: AgentDump, nowMs: number): Listing<CertificateRow> {
  return {
    kind: 'CertificateList',
    rows: dump.certificates.flatMap(rowsOf),
    document: dump.certificates,
    name: (row) => row.of.identity ?? '',
    columns: [
      { header: 'CERTIFICATE NAME', of: (row) => row.of.identity ?? '' },
      { header: 'TYPE', of: (row) => row.type },
      {
        header: 'STATUS',
        of: (row) => ((row.of.state ?? '').startsWith('Unavailable') ? 'Unavailable' : (row.of.state ?? '')),
      },
      { header: 'VALID CERT', of: (row) => String(isValid(row.certificate, nowMs)) },
      { header: 'SERIAL NUMBER', of: (row) => serialOf(row.certificate) },
      { header: 'NOT AFTER', of: (row) => orNone(row.certificate?.expirationTime) },
      { header: 'NOT BEFORE', of: (row) => orNone(row.certificate?.validFrom) },
    ],
  };
}

interface ConnectionRow {
  readonly workload: string;
  readonly direction: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly protocol: string;
}

/** Names by every address of every object (upstream looks at the first address only). */
function namesOf(dump: AgentDump): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const workload of dump.workloads)
    for (const ip of workload.workloadIps ?? []) names.set(ip, `${workload.name ?? ''}.${workload.namespace ?? ''}`);
  for (const service of dump.services)
    for (const vip of service.vips ?? []) names.set(afterSlash(vip), service.hostname ?? '');
  return names;
}

function named(address: string | undefined, names: ReadonlyMap<string, string>): string {
  if (address === undefined) return '';
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const ip = host.startsWith('[') ? host.slice(1, -1) : host;
  const name = isIP(ip) === 0 ? undefined : names.get(ip);
  return name === undefined ? address : `${name}${address.slice(colon)}`;
}

function connectionsOf(pod: DumpPod, filter: ViewFilter, names: ReadonlyMap<string, string>): readonly ConnectionRow[] {
  const workload = `${pod.info?.name ?? ''}.${pod.info?.namespace ?? ''}`;
  const show = (address: string | undefined): string => (filter.raw === true ? (address ?? '') : named(address, names));
  const inbound = (pod.connections?.inbound ?? []).map((one) => ({
    workload,
    direction: 'Inbound',
    local: show(one.actualDst),
    remote: show(one.src),
    target: one.originalDst ?? '',
    protocol: one.protocol ?? '',
  }));
  const outbound = (pod.connections?.outbound ?? []).map((one) => ({
    workload,
    direction: 'Outbound',
    local: show(one.src),
    remote: show(one.actualDst),
    target: show(one.originalDst),
    protocol: one.protocol ?? '',
  }));
  return [...(filter.direction === 'outbound' ? [] : inbound), ...(filter.direction === 'inbound' ? [] : outbound)];
}

/** `ztunnel-config connections`. */
export function connectionView(dump: AgentDump, filter: ViewFilter): Listing<ConnectionRow> {
  const pods = dump.pods
    .filter((pod) => fits(filter.namespace, pod.info?.namespace) && fits(filter.name, pod.info?.name))
    .toSorted((a, b) => {
      const left = `${a.info?.namespace ?? ''}.${a.info?.name ?? ''}`;
      const right = `${b.info?.namespace ?? ''}.${b.info?.name ?? ''}`;
      return left < right ? -1 : left > right ? 1 : 0;
    });
  const names = namesOf(dump);
  return {
    kind: 'ConnectionList',
    rows: pods.flatMap((pod) => connectionsOf(pod, filter, names)),
    document: pods,
    name: (row) => row.workload,
    columns: [
      { header: 'WORKLOAD', of: (row) => row.workload },
      { header: 'DIRECTION', of: (row) => row.direction },
      { header: 'LOCAL', of: (row) => row.local },
      { header: 'REMOTE', of: (row) => row.remote },
      { header: 'REMOTE TARGET', of: (row) => row.target },
      { header: 'PROTOCOL', of: (row) => row.protocol },
    ],
  };
}
