/**
 * Diffs of the state in; the workloads of the own node by who they are, without ever going through all workloads, out.
 *
 * One on the main thread (which listed policies are missing) and one per data thread (the record of a pod). A node has a
 * few hundred workloads in a mesh of a hundred thousand.
 */
import { type Snapshot, type StateDiff, type Workload, workloadsOfNode } from '@ambit/state';
import type { WorkloadInfo } from '../inpod/zds-protocol.ts';

/** The workloads of one node. */
export interface LocalWorkloads {
  /** Takes a diff that was applied, and the snapshot after it; `nodeName` of the options decides what is local. */
  onDiff(diff: StateDiff, after: Snapshot): void;
  /** The record of a pod in this snapshot. */
  find(snapshot: Snapshot, info: WorkloadInfo): Workload | undefined;
  /** All records of this snapshot. */
  all(snapshot: Snapshot): Iterable<Workload>;
}

/** Makes an empty index. `nodeName` undefined: every workload counts as local. */
export function createLocalWorkloads(nodeName: string | undefined): LocalWorkloads {
  const keyOf = new Map<string, string>();
  const uidsOf = new Map<string, Set<string>>();
  const forget = (uid: string): void => {
    const key = keyOf.get(uid);
    if (key === undefined) return;
    keyOf.delete(uid);
    const uids = uidsOf.get(key);
    uids?.delete(uid);
    if (uids?.size === 0) uidsOf.delete(key);
  };
  const remember = (workload: Workload): void => {
    const key = infoKey(workload);
    keyOf.set(workload.uid, key);
    const uids = uidsOf.get(key);
    if (uids === undefined) uidsOf.set(key, new Set([workload.uid]));
    else uids.add(workload.uid);
  };
  return {
    onDiff({ replace, shared, workloads }, after) {
      if (replace || shared !== undefined) {
        keyOf.clear();
        uidsOf.clear();
      }
      if (shared !== undefined) {
        const all = nodeName === undefined ? after.workloads.values() : workloadsOfNode(after, nodeName);
        for (const workload of all) remember(workload);
        return;
      }
      for (const uid of workloads.remove) forget(uid);
      for (const workload of workloads.upsert) {
        forget(workload.uid);
        if (nodeName === undefined || workload.node === nodeName) remember(workload);
      }
    },
    find(snapshot, info) {
      for (const uid of uidsOf.get(infoKey(info)) ?? []) {
        const workload = snapshot.workloads.get(uid);
        if (workload !== undefined) return workload;
      }
      return undefined;
    },
    *all(snapshot) {
      for (const uid of keyOf.keys()) {
        const workload = snapshot.workloads.get(uid);
        if (workload !== undefined) yield workload;
      }
    },
  };
}

function infoKey({ namespace, name, serviceAccount }: WorkloadInfo): string {
  return `${namespace}/${name}/${serviceAccount}`;
}
