// Which nodes may run a pod. Pure; used by the scheduler and the DaemonSet controller.
import type { Node, NodeSelectorTerm, PodSpec, Toleration } from './objects.ts';
import { matchesLabels } from './selector.ts';

const schedulingEffects: ReadonlySet<string> = new Set(['NoSchedule', 'NoExecute']);
/** The taints that also end pods which run already. */
export const RUNNING_EFFECTS: ReadonlySet<string> = new Set(['NoExecute']);

/** Whether the pod's selector, required affinity and tolerations allow the node; otherwise why not. */
export function reasonAgainstNode(
  spec: PodSpec,
  tolerations: readonly Toleration[],
  node: Node,
  effects: ReadonlySet<string> = schedulingEffects,
): string | undefined {
  if (spec.nodeSelector !== undefined && !matchesLabels(spec.nodeSelector, node.metadata.labels)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms !== undefined && !terms.some((term) => matchesTerm(term, node))) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  for (const taint of node.spec.taints ?? []) {
    if (!effects.has(taint.effect)) continue;
    if (!tolerations.some((toleration) => tolerates(toleration, taint))) {
      return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
    }
  }
  return undefined;
}

function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const fields = { 'metadata.name': node.metadata.name };
  return (
    (term.matchExpressions ?? []).every((each) => matchesExpression(each, node.metadata.labels ?? {})) &&
    (term.matchFields ?? []).every((each) => matchesExpression(each, fields))
  );
}

function matchesExpression(
  { key, operator, values }: { key: string; operator: string; values?: string[] },
  labels: Record<string, string>,
): boolean {
  const value = labels[key];
  const first = Number(values?.[0]);
  switch (operator) {
    case 'In':
      return value !== undefined && (values ?? []).includes(value);
    case 'NotIn':
      return value === undefined || !(values ?? []).includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > first;
    case 'Lt':
      return Number(value) < first;
    default:
      return false;
  }
}

/** Whether the toleration covers the taint. */
export function tolerates(
  toleration: Toleration,
  taint: { readonly key: string; readonly value?: string; readonly effect: string },
): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
  if (toleration.key === undefined || toleration.key === '') return toleration.operator === 'Exists';
  if (toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}
