// In: the authorization policies of a namespace and a waypoint's principal. Out: L4 policies that will refuse the waypoint once it stands
// in front of their pods, with what to add (spec user-tools 1.3). Pure. Called by `waypoint apply` and `waypoint plan`.
import type { KubernetesObject } from '@ambit/resources';
import { nameOf, specOf } from '../cluster/object-fields.ts';

interface Source {
  readonly principals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly notNamespaces?: readonly string[];
}

interface PolicySpec {
  readonly action?: string;
  readonly targetRef?: object;
  readonly targetRefs?: readonly object[];
  readonly rules?: readonly { readonly from?: readonly { readonly source?: Source }[] }[];
}

/** `*`, `x*` and `*x` match as policies do. */
function matches(pattern: string, value: string): boolean {
  if (pattern === '*') return value !== '';
  if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value;
}

function admits(source: Source | undefined, principal: string, namespace: string): boolean {
  if (source === undefined) return true;
  const none = (patterns: readonly string[] | undefined, value: string): boolean =>
    !(patterns ?? []).some((pattern) => matches(pattern, value));
  const any = (patterns: readonly string[] | undefined, value: string): boolean =>
    patterns === undefined || patterns.some((pattern) => matches(pattern, value));
  return (
    any(source.principals, principal) &&
    any(source.namespaces, namespace) &&
    none(source.notPrincipals, principal) &&
    none(source.notNamespaces, namespace)
  );
}

/** An L4 ALLOW policy that would refuse the waypoint. */
export interface BreakingPolicy {
  readonly name: string;
  /** JSON patch (RFC 6902) that admits the waypoint too. */
  readonly patch: readonly object[];
}

/** Policies of the namespace that admit some callers at L4 and not the waypoint. */
export function policiesThatBreak(policies: readonly KubernetesObject[], principal: string): readonly BreakingPolicy[] {
  const namespace = principal.split('/')[2] ?? '';
  return policies.flatMap((policy) => {
    const spec = specOf(policy) as PolicySpec;
    const isL4Allow =
      (spec.action ?? 'ALLOW') === 'ALLOW' && spec.targetRef === undefined && (spec.targetRefs ?? []).length === 0;
    const rules = spec.rules ?? [];
    if (!isL4Allow || rules.length === 0) return [];
    if (
      rules.some(
        (rule) => rule.from === undefined || rule.from.some(({ source }) => admits(source, principal, namespace)),
      )
    )
      return [];
    return [
      {
        name: nameOf(policy),
        patch: [{ op: 'add', path: '/spec/rules/-', value: { from: [{ source: { principals: [principal] } }] } }],
      },
    ];
  });
}
