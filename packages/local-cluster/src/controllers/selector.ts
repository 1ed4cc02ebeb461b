// Label selectors and pod facts that several controllers ask for. Pure.
import type { LabelSelector, ObjectMeta, OwnerReference, Pod } from './objects.ts';

/** Whether the labels satisfy every pair of a plain map selector; an empty map matches everything. */
export function matchesLabels(wanted: Record<string, string>, labels: Record<string, string> | undefined): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}

/** Whether the labels satisfy a label selector; an empty selector matches everything. */
export function matchesSelector(selector: LabelSelector, labels: Record<string, string> | undefined): boolean {
  if (!matchesLabels(selector.matchLabels ?? {}, labels)) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values }) => {
    const value = labels?.[key];
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    if (operator === 'In') return value !== undefined && (values ?? []).includes(value);
    return value === undefined || !(values ?? []).includes(value);
  });
}

/** The owner reference marked as controller, if any. */
export function controllerOf(meta: ObjectMeta): OwnerReference | undefined {
  return meta.ownerReferences?.find((owner) => owner.controller === true);
}

/** Whether condition Ready of the pod is True. */
export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

/** Whether the pod has been ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const ready = pod.status?.conditions?.find((c) => c.type === 'Ready' && c.status === 'True');
  if (ready === undefined) return false;
  if (minReadySeconds === 0) return true;
  return Date.parse(ready.lastTransitionTime ?? '') + minReadySeconds * 1000 <= nowMs;
}

/** Whether the pod has ended for good. */
export function isPodFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether the pod counts towards a workload: neither finished nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Resolves `5` or `"25%"` against a total; percentages round up for surge and down for unavailable. */
export function resolveIntOrPercent(value: number | string | undefined, total: number, roundUp: boolean): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const number = Number.parseFloat(value);
  if (!Number.isFinite(number)) return 0;
  if (!value.endsWith('%')) return Math.trunc(number);
  const share = (number / 100) * total;
  return roundUp ? Math.ceil(share) : Math.floor(share);
}
