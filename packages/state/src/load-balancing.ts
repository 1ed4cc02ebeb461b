// Which endpoint of a service a new connection goes to (spec/node-proxy.md 5.4). In: source, service, port, its members.
// Out: one endpoint and the port on it. Called by resolve.ts; pure apart from `random`; any thread.

import type { LoadBalancer, RoutingScope, Service } from './service.ts';
import type { Endpoint, Snapshot } from './snapshot.ts';
import { serviceKey } from './service.ts';
import type { Workload } from './workload.ts';

/** A number in [0, 1). */
export type Random = () => number;

/** The chosen endpoint. */
export interface Upstream {
  readonly workload: Workload;
  /** Port on the workload. */
  readonly port: number;
  /** The service through which it was reached. */
  readonly service: Service | undefined;
}

/** `standard` for application traffic and network gateways, `waypoint` when the service is used as a waypoint. */
export type ResolutionMode = 'standard' | 'waypoint';

interface Candidates {
  readonly endpoints: readonly Endpoint[];
  /** Running sums of capacities. */
  readonly sums: readonly number[];
}

const none: Candidates = { endpoints: [], sums: [] };

/** Chooses an endpoint, or `undefined` when none is usable. A PASSTHROUGH service is ranked like FAILOVER here. */
export function pickEndpoint(
  snapshot: Snapshot,
  source: Workload,
  service: Service,
  port: number,
  mode: ResolutionMode,
  random: Random,
): Upstream | undefined {
  const { endpoints, sums } = candidatesFor(snapshot, source, service, port, mode);
  const total = sums.at(-1) ?? 0;
  if (total === 0) return undefined;
  const endpoint = endpoints[indexOfWeight(sums, random() * total)];
  if (endpoint === undefined) return undefined;
  const targetPort = targetPortOf(service, endpoint, port);
  return targetPort === undefined ? undefined : { workload: endpoint.workload, port: targetPort, service };
}

/** Port on the endpoint: its own mapping, the service's number, or behind an application tunnel the service port. */
export function targetPortOf(service: Service, endpoint: Endpoint, port: number): number | undefined {
  const mapped = endpoint.ports[port];
  if (mapped !== undefined && mapped !== 0) return mapped;
  const target = service.ports[port] ?? 0;
  if (target > 0) return target;
  return endpoint.workload.applicationTunnel?.port === undefined ? undefined : port;
}

// A service's member map is replaced whenever a member changes, so it can hold the ranked lists made from it.
const cache = new WeakMap<ReadonlyMap<string, Endpoint>, Map<Service, Map<string, Candidates>>>();
/** Lists per service and member map; beyond that they are made anew each time. */
const maxCachedLists = 64;

function candidatesFor(
  snapshot: Snapshot,
  source: Workload,
  service: Service,
  port: number,
  mode: ResolutionMode,
): Candidates {
  const members = snapshot.endpoints.get(serviceKey(service));
  if (members === undefined) return none;
  let byService = cache.get(members);
  if (byService === undefined) cache.set(members, (byService = new Map()));
  let lists = byService.get(service);
  if (lists === undefined) {
    byService.clear();
    byService.set(service, (lists = new Map()));
  }
  const key = `${mode} ${port} ${sourceKey(source, service.loadBalancer)}`;
  const known = lists.get(key);
  if (known !== undefined) return known;
  const made = rankCandidates(source, service, port, mode, members.values());
  if (lists.size < maxCachedLists) lists.set(key, made);
  return made;
}

function rankCandidates(
  source: Workload,
  service: Service,
  port: number,
  mode: ResolutionMode,
  members: Iterable<Endpoint>,
): Candidates {
  if (mode === 'standard' && service.ports[port] === undefined) return none;
  const usable = [...members].filter((endpoint) => isUsable(source, service, endpoint, port, mode));
  const endpoints = keepBest(source, service.loadBalancer, usable);
  const sums: number[] = [];
  let sum = 0;
  for (const endpoint of endpoints) sums.push((sum += endpoint.workload.capacity));
  return { endpoints, sums };
}

function isUsable(source: Workload, service: Service, endpoint: Endpoint, port: number, mode: ResolutionMode): boolean {
  const { workload } = endpoint;
  if (!workload.healthy && service.loadBalancer?.healthPolicy !== 'ALLOW_ALL') return false;
  const hasAddress = workload.ips.length > 0 || workload.hostname !== '';
  if (!hasAddress && (workload.network === source.network || workload.networkGateway === undefined)) return false;
  if (mode === 'waypoint') return service.ports[port] !== undefined || workload.applicationTunnel !== undefined;
  return service.ports[port] !== 0 || endpoint.ports[port] !== undefined;
}

function keepBest(
  source: Workload,
  balancer: LoadBalancer | undefined,
  endpoints: readonly Endpoint[],
): readonly Endpoint[] {
  if (balancer === undefined || balancer.mode === 'STANDARD') return endpoints;
  const preferences = balancer.routingPreferences;
  let best: Endpoint[] = [];
  let bestRank = -1;
  for (const endpoint of endpoints) {
    const { rank, matched } = rankOf(source, endpoint.workload, preferences);
    if (balancer.mode === 'STRICT' && matched < preferences.length) continue;
    if (rank > bestRank) {
      best = [endpoint];
      bestRank = rank;
    } else if (rank === bestRank) {
      best.push(endpoint);
    }
  }
  return best;
}

/** How far an endpoint matches the preferences; a NETWORK preference in first place outweighs all later ones. */
export function rankOf(
  source: Workload,
  endpoint: Workload,
  preferences: readonly RoutingScope[],
): { readonly rank: number; readonly matched: number } {
  let matched = 0;
  let extra = 0;
  for (const [index, scope] of preferences.entries()) {
    const isNetworkFirst = index === 0 && scope === 'NETWORK';
    if (attributeOf(source, scope) === attributeOf(endpoint, scope)) {
      matched += 1;
      if (isNetworkFirst) extra = preferences.length - 1;
    } else if (!isNetworkFirst) {
      break;
    }
  }
  return { rank: matched + extra, matched };
}

function attributeOf(workload: Workload, scope: RoutingScope): string {
  switch (scope) {
    case 'REGION':
      return workload.locality.region;
    case 'ZONE':
      return workload.locality.zone;
    case 'SUBZONE':
      return workload.locality.subzone;
    case 'NODE':
      return workload.node;
    case 'CLUSTER':
      return workload.clusterId;
    case 'NETWORK':
      return workload.network;
    default:
      return scope satisfies never;
  }
}

/** Sources with the same key see the same candidates. */
function sourceKey(source: Workload, balancer: LoadBalancer | undefined): string {
  const attributes = (balancer?.routingPreferences ?? []).map((scope) => attributeOf(source, scope));
  return JSON.stringify([source.network, ...attributes]);
}

/** First index whose running sum is above `weight`. */
function indexOfWeight(sums: readonly number[], weight: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > weight) high = middle;
    else low = middle + 1;
  }
  return low;
}
