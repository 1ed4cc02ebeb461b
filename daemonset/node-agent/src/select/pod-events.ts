// In: a pod as it is now, its namespace, the state before. Out: what to do with it. Pure; step 1 of path 5.
// Source: spec node-agent 1.5.
import type { KubernetesObject } from '@ambit/resources';
import { redirectionAnnotation } from '../enrol/status.ts';
import { canonicalUid } from '../netns/cgroup.ts';
import { type SelectionRules, shouldBeEnrolled } from './eligible.ts';

/** What to do with a pod. */
export type PodAction =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'enrol'; readonly ips: readonly string[] }
  /** The enrolled pod has other addresses than before. */
  | { readonly kind: 'readdress'; readonly ips: readonly string[] }
  /** `gone`: the pod's namespace is going away, so its rules need no removal. */
  | { readonly kind: 'remove'; readonly gone: boolean };

interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip?: string }[];
}

const statusOf = (pod: KubernetesObject): PodStatus => (pod['status'] as PodStatus | undefined) ?? {};

/** Addresses of a pod; empty before its sandbox exists. */
export function addressesOf(pod: KubernetesObject): readonly string[] {
  const { podIP, podIPs = [] } = statusOf(pod);
  const all = podIPs.flatMap(({ ip }) => ip ?? []);
  return all.length > 0 || podIP === undefined || podIP === '' ? all : [podIP];
}

/** The UID that a pod's control groups carry where it is not the pod's own: the kubelet names static pods by their configuration. */
export const groupUidOf = (pod: KubernetesObject): string | undefined =>
  pod.metadata?.annotations?.['kubernetes.io/config.hash'];

/** The same for a search: undefined where it is the UID of one of `pods`, because anybody may write an annotation. */
export function searchedGroupUidOf(pod: KubernetesObject, pods: readonly KubernetesObject[]): string | undefined {
  const groupUid = groupUidOf(pod);
  if (groupUid === undefined) return undefined;
  const canonical = canonicalUid(groupUid);
  return pods.some(({ metadata }) => canonicalUid(metadata?.uid ?? '') === canonical) ? undefined : groupUid;
}

/** Annotations that choose among rules; capture/netns-capture.ts reads them. */
export const ruleAnnotations = {
  dnsCapture: 'ambient.istio.io/dns-capture',
  bypassInbound: 'ambient.istio.io/bypass-inbound-capture',
  virtualInterfaces: 'istio.io/reroute-virtual-interfaces',
} as const;

/** What a pod's annotations ask of its rules, as one text; equal texts ask for equal rules. */
export const ruleWishesOf = (pod: KubernetesObject): string =>
  JSON.stringify(Object.values(ruleAnnotations).map((name) => pod.metadata?.annotations?.[name] ?? null));

/** True for a pod that has ended. */
export const hasEnded = (pod: KubernetesObject): boolean => ['Succeeded', 'Failed'].includes(statusOf(pod).phase ?? '');

/** How this agent captured a pod. */
export interface Captured {
  readonly ips: readonly string[];
  /** {@link ruleWishesOf} at that time. */
  readonly wishes: string;
}

/**
 * Decides after a pod or its namespace changed. `held`: how this agent captured it; undefined = it has not, or not any more.
 * An annotation `enabled` without `held` is what an earlier agent left: the pod is enrolled again, which is idempotent.
 */
export function decide(
  pod: KubernetesObject,
  namespace: KubernetesObject | undefined,
  held: Captured | undefined,
  rules: SelectionRules,
): PodAction {
  const annotated = pod.metadata?.annotations?.[redirectionAnnotation];
  const known = held !== undefined || annotated !== undefined;
  if (hasEnded(pod)) return known ? { kind: 'remove', gone: true } : { kind: 'nothing' };
  // A live pod whose namespace is not known is left as it is: taking its rules away would let it out of the mesh.
  if (namespace === undefined) return { kind: 'nothing' };
  const wanted = shouldBeEnrolled(pod, namespace, rules);
  if (!wanted) return known ? { kind: 'remove', gone: false } : { kind: 'nothing' };
  const ips = addressesOf(pod);
  if (held !== undefined && annotated === 'enabled') {
    // Rules that the pod's annotations choose otherwise now (gap G23).
    if (held.wishes !== ruleWishesOf(pod)) return { kind: 'enrol', ips: ips.length === 0 ? held.ips : ips };
    const isSame = ips.length === 0 || (ips.length === held.ips.length && ips.every((ip) => held.ips.includes(ip)));
    return isSame ? { kind: 'nothing' } : { kind: 'readdress', ips };
  }
  return ips.length === 0 ? { kind: 'nothing' } : { kind: 'enrol', ips };
}
