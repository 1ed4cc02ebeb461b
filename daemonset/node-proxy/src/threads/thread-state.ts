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
import { createLocalWorkloads } from '../updates/local-workloads.ts';

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
  const local = createLocalWorkloads(options.nodeName);
  const waiting = new Set<() => void>();
  /** Records found since the last diff: every connection asks for the one of its pod. */
  const found = new Map<WorkloadInfo, Workload>();
  const findOwn = (info: WorkloadInfo): Workload | undefined => {
    const known = found.get(info) ?? local.find(store.snapshot(), info);
    if (known !== undefined) found.set(info, known);
    return known;
  };

  return {
    snapshot: () => store.snapshot(),
    apply(diff) {
      local.onDiff(diff, store.applyDiff(diff));
      found.clear();
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

function unknown(info: WorkloadInfo): NodeProxyError {
  return new NodeProxyError(
    'ERR_NODE_PROXY_UNKNOWN_WORKLOAD',
    `failed to fetch information about local workload: ${info.serviceAccount}.${info.namespace} (${info.name})`,
    { hint: 'check that the control plane knows the pod and that it runs on this node' },
  );
}
