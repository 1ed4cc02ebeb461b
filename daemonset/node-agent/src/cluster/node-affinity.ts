// In: the agent's DaemonSet and its node. Out: whether the DaemonSet still wants an agent on this node. Pure. Called by kube-pod-source.ts.
// Source: spec node-agent 7.6: an agent that its DaemonSet sends away takes its traces along; only required node affinity counts.
import { type KubernetesObject, matchesExpression } from '@ambit/resources';

interface Requirement {
  readonly key?: string;
  readonly operator?: string;
  readonly values?: readonly string[];
}

interface Term {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

interface DaemonSetSpec {
  readonly template?: {
    readonly spec?: {
      readonly affinity?: {
        readonly nodeAffinity?: {
          readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms?: readonly Term[] };
        };
      };
    };
  };
}

/** The terms of the required node affinity; undefined when there is none, which allows every node. */
export function requiredTermsOf(daemonSet: KubernetesObject): readonly Term[] | undefined {
  const { template } = (daemonSet['spec'] ?? {}) as DaemonSetSpec;
  return template?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
}

/** True when one of the terms matches the node, all of whose requirements must be met; an empty term matches none. */
export function matchesNode(terms: readonly Term[], node: KubernetesObject): boolean {
  const labels = node.metadata?.labels ?? {};
  const fields = { 'metadata.name': node.metadata?.name ?? '' };
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false;
    return matchExpressions.every((each) => isMet(each, labels)) && matchFields.every((each) => isMet(each, fields));
  });
}

// Nodes know two operators more than labels do.
function isMet({ key = '', operator = '', values = [] }: Requirement, of: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(of, key) ? of[key] : undefined;
  if (operator === 'Gt') return Number(value) > Number(values[0]);
  if (operator === 'Lt') return Number(value) < Number(values[0]);
  return matchesExpression({ key, operator, values }, of);
}
