// From a reference to a waypoint or network gateway to the workload that serves it (spec/node-proxy.md 5.7).
// Called by resolve.ts (outbound), inbound.ts (sandwich) and the waypoint; pure, any thread.

import type { Target } from './decision.ts';
import { addressKey, formatIpPort } from './ip.ts';
import { pickEndpoint } from './load-balancing.ts';
import type { Random, ResolutionMode, Upstream } from './load-balancing.ts';
import { serviceKey } from './service.ts';
import type { Service } from './service.ts';
import { findServiceByVip, findWorkload } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import { chooseTarget } from './target.ts';
import { identityOf } from './workload.ts';
import type { GatewayAddress, Workload } from './workload.ts';

/** The workload behind a gateway reference and where to dial it. */
export interface ResolvedGateway {
  readonly upstream: Upstream;
  /** `undefined`: it is in another network, reachable only through the gateway of that network. */
  readonly target: Target | undefined;
}

/** Who asks and for what traffic. */
export interface GatewayQuery {
  readonly source: Workload;
  /** The application's destination: decides the address family when the gateway is named by host name. */
  readonly applicationIp: string;
  readonly mode: ResolutionMode;
  readonly random: Random;
}

/** A service or workload that a gateway reference names. */
export type GatewayRecord =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'workload'; readonly workload: Workload };

/** Resolves a reference; `undefined` = not found, no usable endpoint, or nothing to dial. */
export function resolveGateway(
  snapshot: Snapshot,
  gateway: GatewayAddress,
  query: GatewayQuery,
): ResolvedGateway | undefined {
  const { destination, hboneMtlsPort } = gateway;
  const record = upstreamRecord(snapshot, gateway, query.source.namespace);
  if (record === undefined) return undefined;
  const upstream =
    record.kind === 'workload'
      ? { workload: record.workload, port: hboneMtlsPort, service: undefined }
      : pickEndpoint(snapshot, query.source, record.service, hboneMtlsPort, query.mode, query.random);
  if (upstream === undefined) return undefined;
  const target = chooseTarget(upstream, destination.kind === 'address' ? destination.ip : query.applicationIp);
  if (target.kind === 'none') return undefined;
  return { upstream, target: target.kind === 'gateway-only' ? undefined : target };
}

/** The reference as text for messages. */
export function describeGateway(gateway: GatewayAddress): string {
  const { destination, hboneMtlsPort } = gateway;
  return destination.kind === 'address'
    ? `${destination.network}/${formatIpPort(destination.ip, hboneMtlsPort)}`
    : `${destination.namespace}/${destination.hostname}:${hboneMtlsPort}`;
}

/**
 * What a reference names, looked up as "what is this address": a workload first, then a service, without visibility.
 * Used to compare a gateway with a known workload.
 */
export function gatewayRecord(snapshot: Snapshot, gateway: GatewayAddress): GatewayRecord | undefined {
  const { destination } = gateway;
  if (destination.kind === 'hostname') return hostnameRecord(snapshot, destination);
  const workload = findWorkload(snapshot, destination.network, destination.ip);
  if (workload !== undefined) return { kind: 'workload', workload };
  const service = findServiceByVip(snapshot, destination.network, destination.ip, undefined);
  return service === undefined ? undefined : { kind: 'service', service };
}

/** Whether the source is (an instance of) the gateway: same identity, and it owns the client address. */
export function isFromGateway(
  snapshot: Snapshot,
  gateway: GatewayAddress,
  source: Workload,
  clientIp: string,
): boolean {
  const identity = identityOf(source);
  const isSource = (workload: Workload): boolean =>
    workload.ips.includes(clientIp) && identityOf(workload) === identity;
  const record = gatewayRecord(snapshot, gateway);
  if (record === undefined) return false;
  if (record.kind === 'workload') return isSource(record.workload);
  // The client address leads to few workloads; walking the members of a large waypoint service would not be cheap.
  const key = serviceKey(record.service);
  const members = snapshot.endpoints.get(key);
  const atAddress = snapshot.workloadsByAddress.get(addressKey(source.network, clientIp)) ?? [];
  return [source, ...atAddress].some((workload) => members?.has(workload.uid) === true && isSource(workload));
}

/** "Find an upstream" order: service first, with visibility. */
function upstreamRecord(
  snapshot: Snapshot,
  gateway: GatewayAddress,
  clientNamespace: string,
): GatewayRecord | undefined {
  const { destination } = gateway;
  if (destination.kind === 'hostname') return hostnameRecord(snapshot, destination);
  const service = findServiceByVip(snapshot, destination.network, destination.ip, clientNamespace);
  if (service !== undefined) return { kind: 'service', service };
  const workload = findWorkload(snapshot, destination.network, destination.ip);
  return workload === undefined ? undefined : { kind: 'workload', workload };
}

function hostnameRecord(
  snapshot: Snapshot,
  destination: { readonly namespace: string; readonly hostname: string },
): GatewayRecord | undefined {
  const key = serviceKey(destination);
  const service = snapshot.services.get(key);
  if (service !== undefined) return { kind: 'service', service };
  const workload = snapshot.workloadsByHostname.get(key)?.[0];
  return workload === undefined ? undefined : { kind: 'workload', workload };
}
