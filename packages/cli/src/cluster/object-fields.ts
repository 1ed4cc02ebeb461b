// In: objects as the API hands them out. Out: the few fields that commands read, with safe defaults. Pure.
import type { Condition, KubernetesObject } from '@ambit/resources';

/** A named object's name, or an empty text. */
export const nameOf = (object: KubernetesObject): string => object.metadata?.name ?? '';

/** Namespace of an object, or an empty text for cluster-scoped ones. */
export const namespaceOf = (object: KubernetesObject): string => object.metadata?.namespace ?? '';

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** `status` as a record. */
export const statusOf = (object: KubernetesObject): Record<string, unknown> => record(object['status']);

/** `spec` as a record. */
export const specOf = (object: KubernetesObject): Record<string, unknown> => record(object['spec']);

/** A whole number in a record, 0 when absent. */
export function numberIn(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  return typeof value === 'number' ? value : 0;
}

/** A condition of an object. */
export function conditionOf(object: KubernetesObject, type: string): Condition | undefined {
  const conditions = statusOf(object)['conditions'];
  return Array.isArray(conditions)
    ? (conditions as Condition[]).find((condition) => condition.type === type)
    : undefined;
}

/** True when a Deployment or DaemonSet has everything it wants, at its current generation. */
export function isRolledOut(object: KubernetesObject): boolean {
  const status = statusOf(object);
  if (numberIn(status, 'observedGeneration') < (object.metadata?.generation ?? 0)) return false;
  if (object.kind === 'DaemonSet') {
    const wanted = numberIn(status, 'desiredNumberScheduled');
    return (
      wanted > 0 &&
      numberIn(status, 'updatedNumberScheduled') === wanted &&
      numberIn(status, 'numberAvailable') === wanted
    );
  }
  const replicas = specOf(object)['replicas'];
  const wanted = typeof replicas === 'number' ? replicas : 1;
  return (
    numberIn(status, 'updatedReplicas') === wanted &&
    numberIn(status, 'availableReplicas') === wanted &&
    numberIn(status, 'replicas') === wanted
  );
}

/** Restarts of all containers of a pod. */
export function restartsOf(pod: KubernetesObject): number {
  const statuses = statusOf(pod)['containerStatuses'];
  if (!Array.isArray(statuses)) return 0;
  return (statuses as Record<string, unknown>[]).reduce((sum, status) => sum + numberIn(status, 'restartCount'), 0);
}
