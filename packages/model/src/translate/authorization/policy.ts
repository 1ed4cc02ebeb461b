// AuthorizationPolicy -> the policy for the node proxy and its ZtunnelAccepted condition (spec control-plane 3.2). Pure.
import type { AuthorizationPolicy } from '@ambit/resources';
import { type Targeted, targetsOf } from './target-status.ts';
import type { ConditionResult } from '../../conditions.ts';
import { identityOf } from '../../index/view.ts';
import { DRY_RUN, goBoolean } from '../../labels.ts';
import type { ModelOptions } from '../../options.ts';
import { type AuthorizationInit, PolicyAction, PolicyScope } from '../../wire.ts';
import { l7FieldsOf } from './l7-fields.ts';
import { groupOf, isDead } from './rules.ts';

/** Outcome for the node proxy. Neither field: the policy is for waypoints only. */
export interface NodeProxyPolicy {
  readonly message?: AuthorizationInit;
  readonly condition?: ConditionResult;
}

/** True when the policy names the objects it applies to, which makes it a waypoint's business. */
export function hasTarget(policy: Targeted): boolean {
  return targetsOf(policy).length > 0;
}

/** What the node proxy gets of a policy, and what its author is told. */
export function nodeProxyPolicy(policy: AuthorizationPolicy, options: ModelOptions): NodeProxyPolicy {
  if (hasTarget(policy)) return {};
  const unsupported = unsupportedReason(policy, options);
  if (unsupported !== undefined) return { condition: accepted('False', 'UnsupportedValue', unsupported) };
  const { namespace, name } = identityOf(policy);
  const spec = policy.spec ?? {};
  const isDeny = spec.action === 'DENY';
  const found = new Set<string>();
  const groups = [];
  for (const rule of spec.rules ?? []) {
    const fields = l7FieldsOf(rule);
    for (const field of fields) found.add(field);
    // Leaving out a rule of an ALLOW policy allows less; leaving out a part of a rule would allow more.
    if (!isDeny && fields.length > 0) continue;
    groups.push(groupOf(rule, namespace));
  }
  return {
    message: {
      name,
      namespace,
      scope: scopeOf(policy, options),
      action: isDeny ? PolicyAction.DENY : PolicyAction.ALLOW,
      groups,
      ...(isDryRun(policy) && { dryRun: true }),
    },
    condition:
      found.size === 0
        ? accepted('True', 'Accepted', 'attached to ztunnel')
        : accepted('True', 'UnsupportedValue', l7Message([...found].toSorted(), isDeny, groups.every(isDead))),
  };
}

/** True for a dry run; text that is no truth value counts as false. */
export function isDryRun(policy: AuthorizationPolicy): boolean {
  return goBoolean(policy.metadata.annotations?.[DRY_RUN]) ?? false;
}

function accepted(status: 'True' | 'False', reason: string, message: string): ConditionResult {
  return { type: 'ZtunnelAccepted', status, reason, message };
}

function scopeOf(policy: AuthorizationPolicy, options: ModelOptions): 0 | 1 | 2 {
  if (policy.spec?.selector !== undefined && policy.spec.selector !== null) return PolicyScope.WORKLOAD_SELECTOR;
  return policy.metadata.namespace === options.rootNamespace ? PolicyScope.GLOBAL : PolicyScope.NAMESPACE;
}

function unsupportedReason(policy: AuthorizationPolicy, options: ModelOptions): string | undefined {
  if (isDryRun(policy) && !options.dryRunPolicies) {
    return (
      `found policy "${identityOf(policy).key}" using dry-run annotation, ` +
      "but support for ambient dry-run authorizationPolicies isn't enabled"
    );
  }
  const action = policy.spec?.action ?? 'ALLOW';
  return action === 'ALLOW' || action === 'DENY' ? undefined : `ztunnel does not support the ${action} action`;
}

function l7Message(fields: readonly string[], isDeny: boolean, isWithoutEffect: boolean): string {
  const prefix =
    `ztunnel does not support HTTP attributes (found: ${fields.join(', ')}). ` +
    'In ambient mode you must use a waypoint proxy to enforce HTTP rules. ';
  if (!isDeny) {
    return `${prefix}Within an ALLOW policy, rules matching HTTP attributes are omitted. This will be more restrictive than requested.`;
  }
  return isWithoutEffect
    ? `${prefix}After omitting unsupported HTTP attributes, this DENY policy has no enforceable rules at ztunnel and will have no effect. Deploy a waypoint proxy and use a targetRef to enforce this policy.`
    : `${prefix}DENY policy with HTTP attributes is enforced without the HTTP rules. This will be more restrictive than requested.`;
}
