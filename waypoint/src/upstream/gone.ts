/**
 * A change of the mesh -> addresses behind which no workload is any more, so that their connections are drained (spec/waypoint.md
 * 5.2; Envoy drains the pools of a removed host). Pure; called by threads/data-plane.ts.
 */
import type { Snapshot, StateDiff } from '@ambit/state';

/** Addresses that workloads had before and have no longer. A new workload at the same address is another endpoint. */
export const goneAddresses = (before: Snapshot, after: Snapshot, diff: StateDiff): ReadonlySet<string> => {
  const gone = new Set<string>();
  const look = (uid: string): void => {
    const ips = after.workloads.get(uid)?.ips;
    for (const ip of before.workloads.get(uid)?.ips ?? []) if (ips?.includes(ip) !== true) gone.add(ip);
  };
  for (const uid of diff.workloads.remove) look(uid);
  for (const { uid } of diff.workloads.upsert) look(uid);
  if (diff.replace) for (const uid of before.workloads.keys()) look(uid);
  return gone;
};

/** True for keys of pools that lead to one of the addresses; keys begin with transport and address (candidates.ts). */
export const leadsTo = (addresses: ReadonlySet<string>) => (key: string) => addresses.has(key.split(' ', 2)[1] ?? '');
