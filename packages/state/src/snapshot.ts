// The immutable view of everything known at one generation. Made by store.ts, read by resolve.ts and rbac.ts.
// A reader keeps one reference for as long as it needs a consistent view.

import { addressKey, groupsOf, isInRange } from './ip.ts';
import type { Policy } from './policy.ts';
import type { Service } from './service.ts';
import type { ShardedMap } from './sharded-map.ts';
import { changesOf, isChanged } from './store/layered-map.ts';
import type { SharedWorkloads } from './store/shared-workloads.ts';
import type { PortMap, Workload } from './workload.ts';

/** One membership of a workload in a service. */
export interface Endpoint {
  readonly workload: Workload;
  readonly ports: PortMap;
}

/** A CIDR VIP and the services that claim it. */
export interface CidrEntry {
  readonly network: string;
  readonly groups: readonly number[];
  readonly length: number;
  readonly services: readonly Service[];
}

/** Everything known at one generation. */
export interface Snapshot {
  readonly generation: number;
  /** By uid. */
  readonly workloads: ShardedMap<Workload>;
  /** By `network/ip`, best first: pods with HBONE, pods, others with HBONE, others; then the newest. */
  readonly workloadsByAddress: ShardedMap<readonly Workload[]>;
  /** By `namespace/hostname` of the workload's own host name. */
  readonly workloadsByHostname: ShardedMap<readonly Workload[]>;
  /** By `namespace/hostname`. */
  readonly services: ShardedMap<Service>;
  /** By host name, first inserted first. */
  readonly servicesByHostname: ShardedMap<readonly Service[]>;
  /** By `network/ip`, first inserted first. */
  readonly servicesByVip: ShardedMap<readonly Service[]>;
  readonly cidrs: readonly CidrEntry[];
  /** Members of a service by `namespace/hostname`, whether or not the service is known; healthy or not. */
  readonly endpoints: ShardedMap<ReadonlyMap<string, Endpoint>>;
  /** By `namespace/name`. */
  readonly policies: ShardedMap<Policy>;
  /** Policies of scope GLOBAL and NAMESPACE by their scopeKey. */
  readonly scopedPolicies: ShardedMap<readonly Policy[]>;
  /** The memory below the maps of workloads, when there is one. */
  readonly shared: SharedWorkloads | undefined;
}

const globalScope = 'global';

/** Key of scopedPolicies for a policy, or `undefined` when only workload lists name it. */
export function scopeKey(policy: Policy): string | undefined {
  switch (policy.scope) {
    case 'GLOBAL':
      return globalScope;
    case 'NAMESPACE':
      return `namespace/${policy.namespace}`;
    default:
      return undefined;
  }
}

/** The policies that apply to a namespace without being listed: the list of its NAMESPACE ones, then that of the GLOBAL ones. */
export function policiesInScope(snapshot: Snapshot, namespace: string): readonly (readonly Policy[])[] {
  const lists = [snapshot.scopedPolicies.get(`namespace/${namespace}`), snapshot.scopedPolicies.get(globalScope)];
  return lists.filter((list) => list !== undefined);
}

/** All workloads of a node; cheaper than a walk through all of them. */
export function* workloadsOfNode(snapshot: Snapshot, node: string): IterableIterator<Workload> {
  const { workloads, shared } = snapshot;
  for (const workload of changesOf(workloads).upsert) if (workload.node === node) yield workload;
  yield* shared?.ofNode(node, (uid) => !isChanged(workloads, uid)) ?? [];
}

/** The best workload at an address; host-network workloads are not found by address. */
export function findWorkload(snapshot: Snapshot, network: string, ip: string): Workload | undefined {
  return snapshot.workloadsByAddress.get(addressKey(network, ip))?.[0];
}

/**
 * The best service for an address (spec/node-proxy.md 5.3): exact VIP first, then CIDR VIPs. `clientNamespace` absent =
 * visibility is not applied.
 */
export function findServiceByVip(
  snapshot: Snapshot,
  network: string,
  ip: string,
  clientNamespace: string | undefined,
): Service | undefined {
  const exact = snapshot.servicesByVip.get(addressKey(network, ip));
  const best = exact === undefined ? undefined : bestService(exact, clientNamespace);
  return best ?? bestCidrService(snapshot, network, ip, clientNamespace);
}

/** The best service for a host name; `preferredNamespace` is the DNS proxy's third choice. */
export function findServiceByHostname(
  snapshot: Snapshot,
  hostname: string,
  clientNamespace: string | undefined,
  preferredNamespace?: string,
): Service | undefined {
  const candidates = snapshot.servicesByHostname.get(hostname);
  return candidates === undefined ? undefined : bestService(candidates, clientNamespace, preferredNamespace);
}

/** Chooses among services that share a VIP or host name (spec/node-proxy.md 5.3). */
export function bestService(
  candidates: readonly Service[],
  clientNamespace: string | undefined,
  preferredNamespace?: string,
): Service | undefined {
  const visible = candidates.filter((service) => isVisible(service, clientNamespace));
  return (
    visible.find((service) => service.namespace === clientNamespace) ??
    visible.findLast((service) => service.canonical) ??
    visible.find((service) => service.namespace === preferredNamespace) ??
    visible[0]
  );
}

function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return service.visibility === 'PUBLIC' || clientNamespace === undefined || service.namespace === clientNamespace;
}

function bestCidrService(
  snapshot: Snapshot,
  network: string,
  ip: string,
  clientNamespace: string | undefined,
): Service | undefined {
  if (snapshot.cidrs.length === 0) return undefined;
  const groups = groupsOf(ip);
  let best: Service | undefined;
  let bestRank = -1;
  for (const entry of snapshot.cidrs) {
    if (entry.network !== network || !isInRange(groups, entry.groups, entry.length)) continue;
    for (const service of entry.services) {
      if (!isVisible(service, clientNamespace)) continue;
      const sameNamespace = service.namespace === clientNamespace;
      const rank = (sameNamespace ? 512 : 0) + entry.length * 2 + (service.canonical ? 1 : 0);
      if (rank > bestRank) {
        best = service;
        bestRank = rank;
      }
    }
  }
  return best;
}
