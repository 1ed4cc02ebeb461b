// In: what became of a pod. Out: the annotation that tells the control plane and users. Called by sequence.ts; step 9 of path 5.

import type { KubernetesObject } from '@ambit/resources';

/** `enabled`: peers may send tunnels to the pod. `pending`: rules are in place, no proxy serves them yet. */
export const redirectionAnnotation = 'ambient.istio.io/redirection';

/** Number of connections from before the enrolment that are still open and unprotected (decisions W19). */
const unprotectedAnnotation = 'ambient.ambit.io/unprotected-connections';

/** Merge patch of the pod's status subresource; null removes the annotations. */
export function redirectionPatch(state: 'enabled' | 'pending' | undefined): object {
  return {
    metadata: {
      annotations: {
        [redirectionAnnotation]: state ?? null,
        ...(state === undefined ? { [unprotectedAnnotation]: null } : {}),
      },
    },
  };
}

/** The count that a pod's annotation says; 0 without one, NaN for a text that is no number. */
export function publishedUnprotected(pod: KubernetesObject): number {
  const text = pod.metadata?.annotations?.[unprotectedAnnotation];
  return text === undefined ? 0 : text === '' ? Number.NaN : Number(text);
}

/** Merge patch that publishes the count; 0 removes it. */
export const unprotectedPatch = (count: number): object => ({
  metadata: { annotations: { [unprotectedAnnotation]: count === 0 ? null : String(count) } },
});
