// In: pod, namespace, selectors, excluded namespaces. Out: whether the pod belongs in the mesh. Pure; step 2 of path 5.
// Source: spec node-agent 1.1 to 1.3.
import type { KubernetesObject, LabelSelector } from '@ambit/resources';
// The narrow entry: this file is part of the CNI plugin, which must start fast.
import { matchesLabelSelector } from '@ambit/resources/label-selector';

/** One alternative: both parts must match. */
export interface EnablementSelector {
  readonly podSelector: LabelSelector;
  readonly namespaceSelector: LabelSelector;
}

/** What the mesh's charts set: the pod's own label, or its namespace's unless the pod says none. */
export const standardSelectors: readonly EnablementSelector[] = [
  { podSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } }, namespaceSelector: {} },
  {
    podSelector: { matchExpressions: [{ key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] }] },
    namespaceSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } },
  },
];

/** The part of the settings that selection needs. */
export interface SelectionRules {
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
  /** Namespace of the node proxies, which are never enrolled whatever selects them: they would wait for themselves. */
  readonly systemNamespace?: string;
}

const usesHostNetwork = (pod: KubernetesObject): boolean =>
  (pod['spec'] as { hostNetwork?: boolean } | undefined)?.hostNetwork === true;

const hasSidecar = (pod: KubernetesObject): boolean =>
  pod.metadata?.annotations?.['sidecar.istio.io/status'] !== undefined;

/** True for a node proxy. */
export const isNodeProxy = (
  { metadata }: KubernetesObject,
  { systemNamespace }: Pick<SelectionRules, 'systemNamespace'>,
): boolean =>
  systemNamespace !== undefined && metadata?.namespace === systemNamespace && metadata.labels?.['app'] === 'ztunnel';

/** True when the pod should be enrolled; its phase is not looked at. */
export function shouldBeEnrolled(pod: KubernetesObject, namespace: KubernetesObject, rules: SelectionRules): boolean {
  if (usesHostNetwork(pod) || hasSidecar(pod) || isNodeProxy(pod, rules)) return false;
  if (rules.excludedNamespaces.includes(pod.metadata?.namespace ?? '')) return false;
  const podLabels = pod.metadata?.labels ?? {};
  const namespaceLabels = namespace.metadata?.labels ?? {};
  return rules.selectors.some(
    ({ podSelector, namespaceSelector }) =>
      matchesLabelSelector(podSelector, podLabels) && matchesLabelSelector(namespaceSelector, namespaceLabels),
  );
}
