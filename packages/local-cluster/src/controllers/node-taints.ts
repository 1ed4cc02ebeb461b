// The taints that a node's state brings, and how long a pod may stay under NoExecute taints. Pure.
import type { Node, Toleration } from './objects.ts';
import { tolerates } from './place-pod.ts';

/** A taint of a node. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const OWN = new Set([UNSCHEDULABLE, NOT_READY, UNREACHABLE]);

/** The taints a node should have: those set by people, and those of its state with the time they were first set. */
export function plannedTaints(node: Node, now: string): Taint[] {
  const present: readonly Taint[] = node.spec.taints ?? [];
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status;
  const wanted: Taint[] = [];
  if (node.spec.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  const state = ready === 'False' ? NOT_READY : ready === 'Unknown' ? UNREACHABLE : undefined;
  if (state !== undefined) wanted.push({ key: state, effect: 'NoSchedule' }, { key: state, effect: 'NoExecute' });
  const kept = present.filter((taint) => !OWN.has(taint.key));
  const own = wanted.map(
    (taint) =>
      present.find((each) => each.key === taint.key && each.effect === taint.effect) ?? { ...taint, timeAdded: now },
  );
  return [...kept, ...own];
}

/** Milliseconds a pod may still stay under these NoExecute taints: 0 = leave now, Infinity = stay. */
export function evictionDelay(tolerations: readonly Toleration[], taints: readonly Taint[], nowMs: number): number {
  let delay = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds === undefined) continue;
      const addedMs = taint.timeAdded === undefined ? nowMs : Date.parse(taint.timeAdded);
      delay = Math.min(delay, Math.max(0, addedMs + tolerationSeconds * 1000 - nowMs));
    }
  }
  return delay;
}
