// Which pods of a DaemonSet to add and remove next. Pure.
import { resolveIntOrPercent } from './selector.ts';

/** One pod of the set on one node. */
export interface DaemonPod {
  readonly name: string;
  /** Made from the current template. */
  readonly current: boolean;
  readonly ready: boolean;
  readonly available: boolean;
  readonly finished: boolean;
  readonly terminating: boolean;
}

/** One node and the set's pods there. */
export interface DaemonNode {
  readonly name: string;
  /** Whether the template may run there. */
  readonly wanted: boolean;
  /** Whether pods that run there already may stay (a cordoned node takes no new ones). */
  readonly mayStay: boolean;
  readonly pods: DaemonPod[];
}

/** Pods to delete by name, nodes that get a new pod. */
export interface DaemonStep {
  readonly remove: string[];
  readonly create: string[];
}

/** Plans one step; later steps follow when pods change. */
export function planDaemonStep(
  nodes: readonly DaemonNode[],
  strategy: string,
  limits: { maxSurge?: number | string; maxUnavailable?: number | string },
): DaemonStep {
  const step: DaemonStep = { remove: [], create: [] };
  const wanted = nodes.filter((node) => node.wanted);
  for (const node of nodes) {
    const gone = node.pods.filter((pod) => !pod.terminating && (pod.finished || !node.mayStay));
    step.remove.push(...gone.map((pod) => pod.name));
    if (node.wanted && live(node).length === 0 && !node.pods.some((pod) => pod.terminating))
      step.create.push(node.name);
  }
  if (strategy === 'OnDelete') return step;
  const surge = resolveIntOrPercent(limits.maxSurge, wanted.length, true);
  const unavailable = resolveIntOrPercent(limits.maxUnavailable ?? 1, wanted.length, true);
  if (surge > 0) planSurge(wanted, surge, step);
  else planReplace(wanted, Math.max(1, unavailable), step);
  return step;
}

const live = (node: DaemonNode): DaemonPod[] => node.pods.filter((pod) => !pod.finished && !pod.terminating);

function planSurge(nodes: readonly DaemonNode[], maxSurge: number, step: DaemonStep): void {
  let surging = 0;
  const candidates: string[] = [];
  for (const node of nodes) {
    const fresh = live(node).filter((pod) => pod.current);
    const stale = live(node).filter((pod) => !pod.current);
    if (stale.length === 0) continue;
    if (fresh.length > 0) {
      if (fresh.some((pod) => pod.available)) step.remove.push(...stale.map((pod) => pod.name));
      else surging += 1;
    } else if (stale.some((pod) => pod.available)) candidates.push(node.name);
    else step.create.push(node.name); // the old one serves nobody: its replacement is not a surge
  }
  step.create.push(...candidates.slice(0, Math.max(0, maxSurge - surging)));
}

function planReplace(nodes: readonly DaemonNode[], maxUnavailable: number, step: DaemonStep): void {
  let budget = maxUnavailable;
  const candidates: string[] = [];
  for (const node of nodes) {
    const stale = live(node).filter((pod) => !pod.current);
    if (!live(node).some((pod) => pod.available)) {
      budget -= 1;
      step.remove.push(...stale.map((pod) => pod.name));
    } else candidates.push(...stale.map((pod) => pod.name));
  }
  step.remove.push(...candidates.slice(0, Math.max(0, budget)));
}
