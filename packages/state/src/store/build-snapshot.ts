// One batch onto one snapshot. In: the old snapshot and a plain diff. Out: the new snapshot; untouched parts are shared.
// Called by store.ts only. Each touched service is re-indexed once per batch, however many endpoints changed.

import { addressKey, groupsOf } from '../ip.ts';
import { policyKey } from '../policy.ts';
import type { Policy } from '../policy.ts';
import { serviceKey } from '../service.ts';
import type { Service } from '../service.ts';
import { emptyShardedMap } from '../sharded-map.ts';
import type { ShardedMapEditor } from '../sharded-map.ts';
import { scopeKey } from '../snapshot.ts';
import type { CidrEntry, Endpoint, Snapshot } from '../snapshot.ts';
import type { KindDiff, StateDiff } from '../diff.ts';
import type { Workload } from '../workload.ts';
import { addressKeysOf, addressRank, hostnameKey } from './index-keys.ts';
import { editMap } from './layered-map.ts';
import type { SharedWorkloads } from './shared-workloads.ts';

/** The snapshot of an empty store. */
export function emptySnapshot(): Snapshot {
  return {
    generation: 0,
    workloads: emptyShardedMap(),
    workloadsByAddress: emptyShardedMap(),
    workloadsByHostname: emptyShardedMap(),
    services: emptyShardedMap(),
    servicesByHostname: emptyShardedMap(),
    servicesByVip: emptyShardedMap(),
    cidrs: [],
    endpoints: emptyShardedMap(),
    policies: emptyShardedMap(),
    scopedPolicies: emptyShardedMap(),
    shared: undefined,
  };
}

/** The snapshot with other workloads, all of them from shared memory. */
export function withShared(base: Snapshot, shared: SharedWorkloads): Snapshot {
  return { ...base, ...shared.maps(), shared };
}

/** Applies a diff; the result has the diff's generation. */
export function buildSnapshot(base: Snapshot, diff: StateDiff): Snapshot {
  return {
    generation: diff.generation,
    shared: base.shared,
    ...applyWorkloads(base, diff.workloads),
    ...applyServices(base, diff.services),
    ...applyPolicies(base, diff.policies),
  };
}

function applyWorkloads(
  base: Snapshot,
  diff: KindDiff<Workload>,
): Pick<Snapshot, 'workloads' | 'workloadsByAddress' | 'workloadsByHostname' | 'endpoints'> {
  const workloads = editMap(base.workloads);
  const byAddress = editMap(base.workloadsByAddress);
  const byHostname = editMap(base.workloadsByHostname);
  const endpoints = new EndpointEditor(base);
  const drop = (uid: string): void => {
    const old = workloads.get(uid);
    if (old === undefined) return;
    for (const key of addressKeysOf(old)) removeFromList(byAddress, key, old, isSameWorkload);
    if (old.hostname !== '') removeFromList(byHostname, hostnameKey(old), old, isSameWorkload);
    for (const key of Object.keys(old.services)) endpoints.remove(key, uid);
    workloads.delete(uid);
  };
  for (const uid of diff.remove) drop(uid);
  for (const workload of diff.upsert) {
    drop(workload.uid);
    workloads.set(workload.uid, workload);
    for (const key of addressKeysOf(workload)) byAddress.set(key, insertRanked(byAddress.get(key), workload));
    if (workload.hostname !== '') appendToList(byHostname, hostnameKey(workload), workload);
    for (const [key, ports] of Object.entries(workload.services)) endpoints.add(key, { workload, ports });
  }
  return {
    workloads: workloads.commit(),
    workloadsByAddress: byAddress.commit(),
    workloadsByHostname: byHostname.commit(),
    endpoints: endpoints.commit(),
  };
}

/** Copies the member map of each touched service once per batch. */
class EndpointEditor {
  readonly #editor: ShardedMapEditor<ReadonlyMap<string, Endpoint>>;
  readonly #owned = new Map<string, Map<string, Endpoint>>();

  constructor(base: Snapshot) {
    this.#editor = editMap(base.endpoints);
  }

  add(serviceName: string, endpoint: Endpoint): void {
    this.#own(serviceName).set(endpoint.workload.uid, endpoint);
  }

  remove(serviceName: string, uid: string): void {
    this.#own(serviceName).delete(uid);
  }

  commit(): Snapshot['endpoints'] {
    for (const [key, members] of this.#owned) {
      if (members.size === 0) this.#editor.delete(key);
      else this.#editor.set(key, members);
    }
    return this.#editor.commit();
  }

  #own(serviceName: string): Map<string, Endpoint> {
    const owned = this.#owned.get(serviceName);
    if (owned !== undefined) return owned;
    const copy = new Map(this.#editor.get(serviceName));
    this.#owned.set(serviceName, copy);
    return copy;
  }
}

function applyServices(
  base: Snapshot,
  diff: KindDiff<Service>,
): Pick<Snapshot, 'services' | 'servicesByHostname' | 'servicesByVip' | 'cidrs'> {
  const services = editMap(base.services);
  const byHostname = editMap(base.servicesByHostname);
  const byVip = editMap(base.servicesByVip);
  let hasCidrChange = false;
  const replace = (key: string, next: Service | undefined): void => {
    const old = services.get(key);
    hasCidrChange ||= (old?.cidrVips.length ?? 0) + (next?.cidrVips.length ?? 0) > 0;
    replaceInLists(byVip, old, next, (service) => service.vips.map((vip) => addressKey(vip.network, vip.ip)));
    replaceInLists(byHostname, old, next, (service) => [service.hostname]);
    if (next === undefined) services.delete(key);
    else services.set(key, next);
  };
  for (const key of diff.remove) replace(key, undefined);
  for (const service of diff.upsert) replace(serviceKey(service), service);
  const committed = services.commit();
  return {
    services: committed,
    servicesByHostname: byHostname.commit(),
    servicesByVip: byVip.commit(),
    cidrs: hasCidrChange ? indexCidrs(committed.values()) : base.cidrs,
  };
}

/** Keeps a service's place in a list when it is only updated: "first inserted" is about the service, not its version. */
function replaceInLists(
  index: ShardedMapEditor<readonly Service[]>,
  old: Service | undefined,
  next: Service | undefined,
  keysOf: (service: Service) => readonly string[],
): void {
  const before = new Set(old === undefined ? [] : keysOf(old));
  const after = new Set(next === undefined ? [] : keysOf(next));
  for (const key of before) {
    if (old !== undefined && !after.has(key)) removeFromList(index, key, old);
  }
  if (next === undefined) return;
  for (const key of after) {
    const list = index.get(key) ?? [];
    const isReplaced = old !== undefined && before.has(key);
    index.set(key, isReplaced ? list.map((entry) => (entry === old ? next : entry)) : [...list, next]);
  }
}

function indexCidrs(services: Iterable<Service>): CidrEntry[] {
  const entries = new Map<string, CidrEntry & { readonly services: Service[] }>();
  for (const service of services) {
    for (const { network, ip, length } of service.cidrVips) {
      const key = `${network}/${ip}/${length}`;
      const entry = entries.get(key) ?? { network, groups: groupsOf(ip), length, services: [] };
      entry.services.push(service);
      entries.set(key, entry);
    }
  }
  return [...entries.values()];
}

function applyPolicies(base: Snapshot, diff: KindDiff<Policy>): Pick<Snapshot, 'policies' | 'scopedPolicies'> {
  const policies = editMap(base.policies);
  const scoped = editMap(base.scopedPolicies);
  const drop = (key: string): void => {
    const old = policies.get(key);
    const scope = old === undefined ? undefined : scopeKey(old);
    if (old !== undefined && scope !== undefined) removeFromList(scoped, scope, old);
    policies.delete(key);
  };
  for (const key of diff.remove) drop(key);
  for (const policy of diff.upsert) {
    drop(policyKey(policy));
    policies.set(policyKey(policy), policy);
    const scope = scopeKey(policy);
    if (scope !== undefined) appendToList(scoped, scope, policy);
  }
  return { policies: policies.commit(), scopedPolicies: scoped.commit() };
}

/** Best rank first; among equals the newest first (spec/node-proxy.md 5.1). */
function insertRanked(list: readonly Workload[] | undefined, workload: Workload): readonly Workload[] {
  if (list === undefined) return [workload];
  const others = list.filter((other) => other.uid !== workload.uid);
  const at = others.findIndex((other) => addressRank(other) <= addressRank(workload));
  return at < 0 ? [...others, workload] : others.toSpliced(at, 0, workload);
}

function appendToList<T>(index: ShardedMapEditor<readonly T[]>, key: string, item: T): void {
  index.set(key, [...(index.get(key) ?? []), item]);
}

/** A record from shared memory may be made anew at each look. */
function isSameWorkload(one: Workload, other: Workload): boolean {
  return one.uid === other.uid;
}

function removeFromList<T>(
  index: ShardedMapEditor<readonly T[]>,
  key: string,
  item: T,
  isSame: (one: T, other: T) => boolean = Object.is,
): void {
  const rest = (index.get(key) ?? []).filter((entry) => !isSame(entry, item));
  if (rest.length === 0) index.delete(key);
  else index.set(key, rest);
}
