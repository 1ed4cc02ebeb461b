/**
 * Disruption budgets: how many pods of a selector may be taken away now. Used by eviction, which must refuse, and by the
 * controller that writes the status of a budget. In: a budget, the pods of its namespace, how many pods their owners
 * want. Pure.
 */

import { listAt, textAt, valueAt } from '../json.ts';
import { labelSelectorOf } from '../read/label-selector.ts';
import type { Labels } from '../read/label-selector.ts';

/** The numbers of a budget's status. */
export interface BudgetCount {
  readonly expectedPods: number;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly disruptionsAllowed: number;
}

const isReady = (pod: unknown): boolean =>
  listAt(pod, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
  );

const isBeingDeleted = (pod: unknown): boolean => textAt(pod, 'metadata', 'deletionTimestamp') !== '';

const isFinished = (pod: unknown): boolean => ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'));

/** Whether the budget's selector covers the pod; an absent selector covers none, an empty one all. */
export function isCovered(budget: unknown, pod: unknown): boolean {
  const selector = valueAt(budget, ['spec', 'selector']);
  if (selector === undefined || selector === null) return false;
  return labelSelectorOf(selector)(valueAt(pod, ['metadata', 'labels']) as Labels);
}

/** A number or a percentage of `total`, rounded up as the disruption controller does. */
function scaled(value: unknown, total: number): number {
  if (typeof value === 'number') return value;
  const share = Number.parseFloat(String(value));
  return Number.isFinite(share) ? Math.ceil((share * total) / 100) : 0;
}

/**
 * Counts a budget. `wantedBy` tells how many pods the controller of a pod wants (undefined: none, or unknown); it is asked
 * where a budget speaks of a share of the pods or of `maxUnavailable`.
 */
export function countBudget(
  budget: unknown,
  pods: readonly unknown[],
  wantedBy: (pod: unknown) => { readonly uid: string; readonly replicas: number } | undefined,
): BudgetCount {
  const covered = pods.filter((pod) => isCovered(budget, pod) && !isFinished(pod));
  const minAvailable = valueAt(budget, ['spec', 'minAvailable']);
  const maxUnavailable = valueAt(budget, ['spec', 'maxUnavailable']);
  const isCounted = maxUnavailable === undefined && typeof minAvailable === 'number';
  const owners = new Map<string, number>();
  if (!isCounted) {
    for (const pod of covered) {
      const owner = wantedBy(pod);
      if (owner !== undefined) owners.set(owner.uid, owner.replicas);
    }
  }
  const expectedPods = isCounted ? covered.length : [...owners.values()].reduce((sum, replicas) => sum + replicas, 0);
  const desiredHealthy =
    maxUnavailable === undefined
      ? scaled(minAvailable ?? 0, expectedPods)
      : Math.max(0, expectedPods - scaled(maxUnavailable, expectedPods));
  const currentHealthy = covered.filter((pod) => isReady(pod) && !isBeingDeleted(pod)).length;
  const disruptionsAllowed = expectedPods === 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  return { expectedPods, currentHealthy, desiredHealthy, disruptionsAllowed };
}

/** Why a pod may not be evicted, or undefined when it may. */
export type EvictionRefusal =
  | { readonly kind: 'several-budgets' }
  | { readonly kind: 'budget-spent'; readonly budget: string; readonly count: BudgetCount };

/** Whether evicting the pod would break a budget. Pods that serve nobody (pending, finished, ending) may always go. */
export function refusalOfEviction(
  pod: unknown,
  budgets: readonly unknown[],
  countOf: (budget: unknown) => BudgetCount,
): EvictionRefusal | undefined {
  if (isFinished(pod) || isBeingDeleted(pod) || textAt(pod, 'status', 'phase') === 'Pending') return undefined;
  const covering = budgets.filter((budget) => isCovered(budget, pod));
  const [budget] = covering;
  if (budget === undefined) return undefined;
  if (covering.length > 1) return { kind: 'several-budgets' };
  const count = countOf(budget);
  if (!isReady(pod)) {
    const isAlways = textAt(budget, 'spec', 'unhealthyPodEvictionPolicy') === 'AlwaysAllow';
    const isHealthyBudget = count.currentHealthy >= count.desiredHealthy && count.desiredHealthy > 0;
    if (isAlways || isHealthyBudget) return undefined;
  }
  if (count.disruptionsAllowed > 0) return undefined;
  return { kind: 'budget-spent', budget: textAt(budget, 'metadata', 'name'), count };
}

/** The workloads whose replicas count for a budget, by kind. */
const scalable: Readonly<Record<string, string>> = {
  ReplicaSet: 'replicasets.apps',
  Deployment: 'deployments.apps',
  StatefulSet: 'statefulsets.apps',
  ReplicationController: 'replicationcontrollers',
};

const controllerOf = (object: unknown): unknown =>
  listAt(object, 'metadata', 'ownerReferences').find((owner) => valueAt(owner, ['controller']) === true);

/** How many pods the topmost known controller of a pod wants. `get` reads by storage name, namespace and name. */
export function wantedReplicas(
  pod: unknown,
  get: (resource: string, namespace: string, name: string) => unknown,
): { uid: string; replicas: number } | undefined {
  const namespace = textAt(pod, 'metadata', 'namespace');
  let found: { uid: string; replicas: number } | undefined;
  let owner = controllerOf(pod);
  for (let depth = 0; owner !== undefined && depth < 4; depth += 1) {
    const resource = scalable[textAt(owner, 'kind')];
    const object = resource === undefined ? undefined : get(resource, namespace, textAt(owner, 'name'));
    if (object === undefined) return found;
    const replicas = valueAt(object, ['spec', 'replicas']);
    found = { uid: textAt(owner, 'uid'), replicas: typeof replicas === 'number' ? replicas : 1 };
    owner = controllerOf(object);
  }
  return found;
}
