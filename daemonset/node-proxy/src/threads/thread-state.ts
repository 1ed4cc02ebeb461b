/**
 * Diffs from the main thread in; the snapshot and the own workload of each pod out. One per data thread.
 *
 * Every path reads `snapshot()` once per connection and works on that immutable view. A pod whose workload is not
 * known yet is waited for, at most 5 s (spec/node-proxy.md 3.1).
 */
import { createStateStore, type Snapshot, type StateDiff, type Workload } from '@ambit/state';
import type { Clock } from '@ambit/runtime/clock';
import type { WorkloadInfo } from '../inpod/zds-protocol.ts';
import { NodeProxyError } from '../telemetry/response-flags.ts';

/** Longest wait for the own workload to become known. */
export const OWN_WORKLOAD_WAIT_MS = 5000;

/** State of one data thread. */
export interface ThreadState {
  snapshot(): Snapshot;
  /** Applies one batch and wakes who waits. */
  apply(diff: StateDiff): void;
  /** The record of a pod of this node, when it is known now. */
  findOwn(info: WorkloadInfo): Workload | undefined;
  /** The record of a pod of this node. Rejects with `ERR_NODE_PROXY_UNKNOWN_WORKLOAD` after 5 s. */
  ownWorkload(info: WorkloadInfo): Promise<Workload>;
}

/** Makes an empty state. `nodeName` undefined: every workload counts as local. */
export function createThreadState(options: { nodeName: string | undefined; clock: Clock }): ThreadState {
  const store = createStateStore();
  // The uid found last time is looked up first: a search goes through every workload.
  const foundUid = new Map<string, string>();
  const waiting = new Set<() => void>();

  const findOwn = (info: WorkloadInfo): Workload | undefined => {
    const snapshot = store.snapshot();
    const key = `${info.namespace}/${info.name}/${info.serviceAccount}`;
    const uid = foundUid.get(key);
    const known = uid === undefined ? undefined : snapshot.workloads.get(uid);
    if (known !== undefined && isOwn(known, info, options.nodeName)) return known;
    const workload = search(snapshot, info, options.nodeName);
    if (workload === undefined) foundUid.delete(key);
    else foundUid.set(key, workload.uid);
    return workload;
  };

  return {
    snapshot: () => store.snapshot(),
    apply(diff) {
      store.applyDiff(diff);
      for (const wake of waiting) wake();
    },
    findOwn,
    async ownWorkload(info) {
      const known = findOwn(info);
      if (known !== undefined) return known;
      const done = Promise.withResolvers<Workload>();
      const wake = (): void => {
        const workload = findOwn(info);
        if (workload !== undefined) done.resolve(workload);
      };
      waiting.add(wake);
      using _timer = options.clock.setTimeout(() => done.reject(unknown(info)), OWN_WORKLOAD_WAIT_MS);
      try {
        return await done.promise;
      } finally {
        waiting.delete(wake);
      }
    },
  };
}

/** Finds a workload by name, namespace and service account among those of a node. */
export function search(snapshot: Snapshot, info: WorkloadInfo, nodeName: string | undefined): Workload | undefined {
  for (const workload of snapshot.workloads.values()) if (isOwn(workload, info, nodeName)) return workload;
  return undefined;
}

function isOwn(workload: Workload, info: WorkloadInfo, nodeName: string | undefined): boolean {
  return (
    workload.name === info.name &&
    workload.namespace === info.namespace &&
    workload.serviceAccount === info.serviceAccount &&
    (nodeName === undefined || workload.node === nodeName)
  );
}

function unknown(info: WorkloadInfo): NodeProxyError {
  return new NodeProxyError(
    'ERR_NODE_PROXY_UNKNOWN_WORKLOAD',
    `failed to fetch information about local workload: ${info.serviceAccount}.${info.namespace} (${info.name})`,
    { hint: 'check that the control plane knows the pod and that it runs on this node' },
  );
}
