// In: a pod and its namespace. Out: whether the mesh captures it, and if not, why. Pure. Called by the mesh commands.
import type { KubernetesObject } from '@ambit/resources';
import { labels } from '../cluster/kinds.ts';
import { conditionOf, specOf, statusOf } from '../cluster/object-fields.ts';

/** What the mesh does with a pod. */
export type Capture =
  | { readonly kind: 'captured' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'not-captured'; readonly reason: string };

/** Whether the pod's node agent says that it is captured. */
const isRedirected = (pod: KubernetesObject): boolean => pod.metadata?.annotations?.[labels.redirection] === 'enabled';

/** A pod that was deleted and still ends. It serves nobody new, so commands neither count it nor wait for it. */
export const isEnding = (pod: KubernetesObject): boolean => pod.metadata?.deletionTimestamp !== undefined;

/** Connections of a pod that were open before it was captured and stay plaintext, as the node agent reports them. */
export const unprotectedAnnotation = 'ambient.ambit.io/unprotected-connections';

/** Number of unprotected connections of a captured pod, as the node agent last reported; of other pods nobody says that they are protected. */
export function unprotectedOf(pod: KubernetesObject): number {
  if (!isRedirected(pod)) return 0;
  const value = Number(pod.metadata?.annotations?.[unprotectedAnnotation] ?? '0');
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** Why a pod cannot be captured, whatever its namespace says; undefined when nothing stands against it. */
export function obstacle(pod: KubernetesObject): string | undefined {
  const phase = statusOf(pod)['phase'];
  if (phase === 'Succeeded' || phase === 'Failed') return 'it has ended';
  if (specOf(pod)['hostNetwork'] === true) return 'it uses the network of its node (hostNetwork)';
  if (pod.metadata?.labels?.[labels.dataplaneMode] === 'none') return `its label ${labels.dataplaneMode}=none opts out`;
  if (pod.metadata?.annotations?.['sidecar.istio.io/status'] !== undefined) return 'it has a sidecar';
  return undefined;
}

/** Decides from labels, annotations and status, as the node agent does. */
export function captureOf(pod: KubernetesObject, namespace: KubernetesObject | undefined): Capture {
  if (isRedirected(pod)) return { kind: 'captured' };
  const reason = obstacle(pod);
  if (reason !== undefined) return { kind: 'not-captured', reason };
  const mode = pod.metadata?.labels?.[labels.dataplaneMode] ?? namespace?.metadata?.labels?.[labels.dataplaneMode];
  if (mode !== 'ambient')
    return { kind: 'not-captured', reason: `neither it nor its namespace has ${labels.dataplaneMode}=ambient` };
  if (conditionOf(pod, 'Ready')?.status !== 'True') return { kind: 'waiting', reason: 'it is not ready yet' };
  return { kind: 'waiting', reason: 'its node agent has not captured it yet' };
}
