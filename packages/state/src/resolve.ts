// The outbound decision (spec/node-proxy.md 5.5). In: a snapshot, the source workload, the original destination. Out: what
// to dial and whom to expect there, or a reject. Called by the node proxy's outbound/route.ts and `ambit explain`; pure apart
// from `random`; data threads.

import type { IpPort, OutboundDecision, OutboundReject, OutboundRejectCode } from './decision.ts';
import { describeGateway, isFromGateway, resolveGateway } from './gateway.ts';
import type { GatewayQuery, ResolvedGateway } from './gateway.ts';
import { formatIpPort } from './ip.ts';
import { pickEndpoint } from './load-balancing.ts';
import type { Random, Upstream } from './load-balancing.ts';
import type { Service } from './service.ts';
import { findServiceByVip, findWorkload } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import { chooseTarget, expectedIdentities } from './target.ts';
import type { GatewayAddress, Workload } from './workload.ts';

/** Port of HBONE on every workload. */
export const HBONE_PORT = 15_008;

/** One outbound connection. */
export interface OutboundFacts {
  /** The workload that connects. */
  readonly source: Workload;
  /** Its address on this connection (canonical text). */
  readonly sourceIp: string;
  /** Where it wanted to go (canonical text). */
  readonly destination: IpPort;
}

/** Decides one outbound connection. Default `random`: Math.random. */
export function resolveOutbound(
  snapshot: Snapshot,
  facts: OutboundFacts,
  random: Random = Math.random,
): OutboundDecision {
  const { source, destination } = facts;
  const service = addressedService(snapshot, source, destination.ip);
  const waypoint = service === undefined ? undefined : waypointOf(service, random);
  if (service !== undefined && waypoint !== undefined) {
    return throughServiceWaypoint(snapshot, facts, service, waypoint, random);
  }
  const upstream = findUpstream(snapshot, source, destination, random);
  if (upstream === undefined) return withoutUpstream(service, destination);
  if (upstream.workload.network !== source.network) {
    return acrossNetworks(snapshot, facts, service, upstream, random);
  }
  const workloadWaypoint = service === undefined ? upstream.workload.waypoint : undefined;
  if (workloadWaypoint !== undefined && !isFromGateway(snapshot, workloadWaypoint, source, facts.sourceIp)) {
    return throughWorkloadWaypoint(snapshot, facts, workloadWaypoint, upstream, random);
  }
  return direct(upstream, destination);
}

/** Whether dialling this destination from inside the pod would reach the proxy itself (spec/node-proxy.md 3.4 step 1). */
export function isSelfCall(destination: IpPort, illegalPorts: ReadonlySet<number>): boolean {
  const isLoopback = destination.ip.startsWith('127.') || destination.ip === '::1';
  return isLoopback && illegalPorts.has(destination.port);
}

/** "What is this address": a workload hides a service. */
function addressedService(snapshot: Snapshot, source: Workload, ip: string): Service | undefined {
  if (findWorkload(snapshot, source.network, ip) !== undefined) return undefined;
  return findServiceByVip(snapshot, source.network, ip, source.namespace);
}

/** "Find an upstream": a service hides a workload. */
function findUpstream(snapshot: Snapshot, source: Workload, destination: IpPort, random: Random): Upstream | undefined {
  const service = findServiceByVip(snapshot, source.network, destination.ip, source.namespace);
  if (service !== undefined) {
    if (service.loadBalancer?.mode === 'PASSTHROUGH') return undefined;
    return pickEndpoint(snapshot, source, service, destination.port, 'standard', random);
  }
  const workload = findWorkload(snapshot, source.network, destination.ip);
  return workload === undefined ? undefined : { workload, port: destination.port, service: undefined };
}

/** A weighted random entry of the list when it has weight, else the single waypoint. */
function waypointOf(service: Service, random: Random): GatewayAddress | undefined {
  const total = service.weightedWaypoints.reduce((sum, entry) => sum + entry.weight, 0);
  if (total === 0) return service.waypoint;
  let left = random() * total;
  for (const { destination, weight } of service.weightedWaypoints) {
    left -= weight;
    if (left < 0) return destination;
  }
  return service.weightedWaypoints.findLast((entry) => entry.weight > 0)?.destination;
}

function withoutUpstream(service: Service | undefined, destination: IpPort): OutboundDecision {
  if (service !== undefined && service.loadBalancer?.mode !== 'PASSTHROUGH') {
    return reject(
      'ERR_STATE_NO_HEALTHY_UPSTREAM',
      `no healthy upstream: ${formatIpPort(destination.ip, destination.port)}`,
    );
  }
  return { kind: 'passthrough', target: { kind: 'ip', ...destination }, service };
}

function throughServiceWaypoint(
  snapshot: Snapshot,
  facts: OutboundFacts,
  service: Service,
  waypoint: GatewayAddress,
  random: Random,
): OutboundDecision {
  const resolved = resolveGateway(snapshot, waypoint, gatewayQuery(facts, 'waypoint', random));
  if (resolved === undefined) return unknownWaypoint(waypoint);
  if (resolved.upstream.workload.network !== facts.source.network) {
    return acrossNetworks(snapshot, facts, service, resolved.upstream, random);
  }
  return waypointTunnel(resolved, facts, 'service-waypoint', service);
}

function throughWorkloadWaypoint(
  snapshot: Snapshot,
  facts: OutboundFacts,
  waypoint: GatewayAddress,
  upstream: Upstream,
  random: Random,
): OutboundDecision {
  const resolved = resolveGateway(snapshot, waypoint, gatewayQuery(facts, 'waypoint', random));
  if (resolved === undefined) return unknownWaypoint(waypoint);
  return waypointTunnel(resolved, facts, 'workload-waypoint', upstream.service);
}

/** The authority stays the original destination, also for a VIP: the waypoint translates it. */
function waypointTunnel(
  { upstream, target }: ResolvedGateway,
  facts: OutboundFacts,
  via: 'service-waypoint' | 'workload-waypoint',
  service: Service | undefined,
): OutboundDecision {
  const { ip, port } = facts.destination;
  if (target === undefined) return noRoute(upstream.workload);
  return {
    kind: 'hbone',
    via,
    target,
    authority: formatIpPort(ip, port),
    authorityPort: port,
    expected: expectedIdentities(upstream),
    workload: upstream.workload,
    service,
  };
}

/** Step 4: a tunnel to the endpoint's network gateway, and inside it one to the endpoint. */
function acrossNetworks(
  snapshot: Snapshot,
  facts: OutboundFacts,
  service: Service | undefined,
  endpoint: Upstream,
  random: Random,
): OutboundDecision {
  const { ip, port } = facts.destination;
  if (service === undefined) {
    return reject('ERR_STATE_NO_SERVICE', `no service for target address: ${formatIpPort(ip, port)}`);
  }
  const reference = endpoint.workload.networkGateway;
  if (reference === undefined) return noRoute(endpoint.workload);
  const gateway = resolveGateway(snapshot, reference, gatewayQuery(facts, 'standard', random));
  if (gateway?.target === undefined) {
    return reject('ERR_STATE_UNKNOWN_GATEWAY', `unknown network gateway: ${describeGateway(reference)}`);
  }
  return {
    kind: 'double-hbone',
    target: gateway.target,
    authority: `${service.hostname}:${port}`,
    outerExpected: expectedIdentities(gateway.upstream),
    innerExpected: endpoint.service?.subjectAltNames ?? [],
    gateway: gateway.upstream.workload,
    workload: endpoint.workload,
    service,
  };
}

/** Step 6: straight to the endpoint. */
function direct(upstream: Upstream, destination: IpPort): OutboundDecision {
  const { workload, service, port } = upstream;
  const target = chooseTarget(upstream, destination.ip);
  if (target.kind !== 'ip' && target.kind !== 'hostname') return noRoute(workload);
  if (workload.protocol === 'TCP') return { kind: 'tcp', target, workload, service };
  return {
    kind: 'hbone',
    via: 'direct',
    target: { ...target, port: HBONE_PORT },
    authority: target.kind === 'ip' ? formatIpPort(target.ip, port) : undefined,
    authorityPort: port,
    expected: expectedIdentities(upstream),
    workload,
    service,
  };
}

function gatewayQuery(facts: OutboundFacts, mode: 'waypoint' | 'standard', random: Random): GatewayQuery {
  return { source: facts.source, applicationIp: facts.destination.ip, mode, random };
}

function unknownWaypoint(waypoint: GatewayAddress): OutboundReject {
  return reject('ERR_STATE_UNKNOWN_WAYPOINT', `unknown waypoint: waypoint ${describeGateway(waypoint)} not found`);
}

function noRoute(workload: Workload): OutboundReject {
  return reject('ERR_STATE_NO_ROUTE', `no valid routing destination for workload: ${workload.uid}`);
}

function reject(code: OutboundRejectCode, message: string): OutboundReject {
  return { kind: 'reject', code, message };
}
