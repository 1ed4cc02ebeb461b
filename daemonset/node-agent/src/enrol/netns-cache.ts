// In: pods and namespace handles. Out: what the agent holds for each enrolled pod. Called by sequence.ts and the ZDS server. Main thread.
import type { NetnsHandle } from '@ambit/net';
import type { PrintedRules } from '../rules/apply.ts';

/** Who a pod is, as the node proxy is told. */
export interface WorkloadInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** One enrolled pod. The cache owns the handle. */
export interface HeldPod {
  readonly uid: string;
  readonly workload: WorkloadInfo;
  readonly ips: readonly string[];
  /** Undefined in loopback capture, and for a pod that an earlier agent enrolled and whose namespace was not found yet. */
  readonly netns: NetnsHandle | undefined;
  readonly capture: CaptureState;
  /** What the pod's annotations asked of the rules that this agent put into it ({@link ruleWishesOf}); undefined before it has. */
  readonly wishes?: string;
  /** What the pod has of the mesh since this agent put it there; undefined before it has. */
  readonly printed?: PrintedRules;
}

/**
 * `new`: without rules so far. `expected`: it was captured once, by an earlier agent or in an earlier sandbox, and must be again; until then
 * it may be unprotected. `installed`: this agent put the rules into the namespace that is held.
 */
export type CaptureState = 'new' | 'expected' | 'installed';

/** Pods that this agent has enrolled, by UID. */
export class NetnsCache {
  readonly #pods = new Map<string, HeldPod>();

  get(uid: string): HeldPod | undefined {
    return this.#pods.get(uid);
  }

  /** Stores a pod; the handle of the same namespace that is already held is kept and the new one closed. */
  put(pod: HeldPod): HeldPod {
    const held = this.#pods.get(pod.uid);
    const keep = held?.netns !== undefined && pod.netns !== undefined && held.netns.inode === pod.netns.inode;
    if (keep && pod.netns !== held.netns) pod.netns?.close();
    if (!keep && held?.netns !== pod.netns) held?.netns?.close();
    const stored = keep ? { ...pod, netns: held.netns } : pod;
    this.#pods.set(pod.uid, stored);
    return stored;
  }

  /** Forgets a pod and closes its handle. */
  drop(uid: string): void {
    this.#pods.get(uid)?.netns?.close();
    this.#pods.delete(uid);
  }

  /** All pods, for a new proxy's snapshot. */
  list(): readonly HeldPod[] {
    return [...this.#pods.values()];
  }

  /** Closes every handle. */
  close(): void {
    for (const uid of this.#pods.keys()) this.drop(uid);
  }
}
