// The inbound decision (spec/node-proxy.md 3.2.2 to 3.2.7, pure parts). In: the own workload, the CONNECT authority, the address the
// tunnel came in on. Out: where to connect, or an HTTP status. Called by the node proxy's inbound/authorize.ts; data threads.

import type { IpPort } from './decision.ts';
import { gatewayRecord } from './gateway.ts';
import { familyOf } from './ip.ts';
import { serviceKey } from './service.ts';
import type { Service } from './service.ts';
import { findServiceByHostname, findServiceByVip, findWorkload } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import type { Workload } from './workload.ts';

/** The `:authority` of a CONNECT request after parsing. */
export type InboundAuthority =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number };

/** One CONNECT request. */
export interface InboundFacts {
  /** The workload that received it. */
  readonly own: Workload;
  readonly authority: InboundAuthority;
  /** Local address of the tunnel's connection (canonical text). */
  readonly localIp: string;
  /** Ports of the proxy itself. */
  readonly illegalPorts: ReadonlySet<number>;
}

/** Where a CONNECT leads, or the HTTP status and text that refuse it. */
export type InboundDecision =
  | {
      readonly kind: 'accept';
      /** What the application listens on, after application-tunnel substitution; RBAC uses it too. */
      readonly target: IpPort;
      /** Services through which the request may have come. */
      readonly services: readonly Service[];
      /** Set when a PROXY header must come first: its destination address. */
      readonly proxyDestination: IpPort | undefined;
    }
  | { readonly kind: 'reject'; readonly status: 400 | 503; readonly message: string };

/** Decides where one CONNECT request goes. */
export function resolveInbound(snapshot: Snapshot, facts: InboundFacts): InboundDecision {
  const { own, authority, localIp } = facts;
  if (authority.kind === 'address' && !mayTarget(snapshot, facts, authority.ip)) {
    return refuse(400, `ip mismatch: ${localIp} != ${authority.ip}`);
  }
  const hop = nextHop(snapshot, own, authority);
  if (hop.kind === 'reject') return hop;
  if (facts.illegalPorts.has(hop.port)) return refuse(503, 'attempted recursive call to ourselves');
  const tunnel = own.applicationTunnel;
  const accept = {
    kind: 'accept',
    target: { ip: localIp, port: tunnel?.port ?? hop.port },
    services: hop.services,
  } as const;
  if (tunnel?.protocol !== 'PROXY') return { ...accept, proxyDestination: undefined };
  const proxyDestination = proxyDestinationOf(own, authority, hop.services);
  if (proxyDestination === undefined) {
    const hostname = authority.kind === 'hostname' ? authority.hostname : authority.ip;
    return refuse(503, `requested service ${hostname} found, but has no IP addresses`);
  }
  return { ...accept, proxyDestination };
}

/**
 * The workload a request came from: by address in the own network, unless it came through a gateway of another network
 * (`x-forwarded-network` differs), where the address says nothing.
 */
export function findSource(
  snapshot: Snapshot,
  own: Workload,
  sourceIp: string,
  forwardedNetwork: string | undefined,
): Workload | undefined {
  if (forwardedNetwork !== undefined && forwardedNetwork.toLowerCase() !== own.network.toLowerCase()) return undefined;
  return findWorkload(snapshot, own.network, sourceIp);
}

/** The service label of an inbound connection (spec/node-proxy.md 3.2.7). */
export function destinationService(
  own: Workload,
  services: readonly Service[],
  targetPort: number,
  forwardedHost: string | undefined,
): Service | undefined {
  const named =
    forwardedHost === undefined ? undefined : services.find((service) => service.hostname === forwardedHost);
  return named ?? services.find((service) => leadsTo(own, service, targetPort));
}

function leadsTo(own: Workload, service: Service, targetPort: number): boolean {
  const mapped = Object.values(own.services[serviceKey(service)] ?? {});
  return mapped.includes(targetPort) || Object.values(service.ports).includes(targetPort);
}

/** Destination validation: the own address, behind an application tunnel anything, or what this workload is the waypoint of. */
function mayTarget(snapshot: Snapshot, facts: InboundFacts, ip: string): boolean {
  const { own, localIp } = facts;
  if (ip === localIp || own.applicationTunnel !== undefined) return true;
  const addressed = findWorkload(snapshot, own.network, ip) ?? findServiceByVip(snapshot, own.network, ip, undefined);
  if (addressed?.waypoint === undefined) return false;
  const waypoint = gatewayRecord(snapshot, addressed.waypoint);
  if (waypoint === undefined) return false;
  if (waypoint.kind === 'workload') return waypoint.workload.ips.includes(localIp);
  return snapshot.endpoints.get(serviceKey(waypoint.service))?.has(own.uid) === true;
}

type NextHop =
  | { readonly kind: 'hop'; readonly port: number; readonly services: readonly Service[] }
  | { readonly kind: 'reject'; readonly status: 503; readonly message: string };

function nextHop(snapshot: Snapshot, own: Workload, authority: InboundAuthority): NextHop {
  if (authority.kind === 'address') {
    const services = Object.keys(own.services).flatMap((key) => snapshot.services.get(key) ?? []);
    return { kind: 'hop', port: authority.port, services };
  }
  const { hostname, port } = authority;
  const service = findServiceByHostname(snapshot, hostname, own.namespace);
  if (service === undefined) return refuse(503, `no service or workload for hostname: ${hostname}`);
  const targetPort = own.services[serviceKey(service)]?.[port] || service.ports[port] || 0;
  if (targetPort === 0) return refuse(503, `requested service ${hostname}:${port} found, but cannot resolve port`);
  return { kind: 'hop', port: targetPort, services: [service] };
}

/** The address in the PROXY header: the authority, or a VIP of the service: own network first, then IPv4. */
function proxyDestinationOf(
  own: Workload,
  authority: InboundAuthority,
  services: readonly Service[],
): IpPort | undefined {
  if (authority.kind === 'address') return { ip: authority.ip, port: authority.port };
  const vips = services[0]?.vips ?? [];
  const local = vips.filter((vip) => vip.network === own.network);
  const candidates = local.length > 0 ? local : vips;
  const vip = candidates.find((candidate) => familyOf(candidate.ip) === 4) ?? candidates[0];
  return vip === undefined ? undefined : { ip: vip.ip, port: authority.port };
}

function refuse<S extends 400 | 503>(status: S, message: string): { kind: 'reject'; status: S; message: string } {
  return { kind: 'reject', status, message };
}
