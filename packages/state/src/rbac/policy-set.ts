// Which policies apply to a workload, sorted by what they do. Called by rbac.ts; remembered per workload until a policy or the
// workload changes. Pure.

import { policyKey } from '../policy.ts';
import type { Policy } from '../policy.ts';
import { policiesInScope } from '../snapshot.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Workload } from '../workload.ts';

/** The policies of one workload (spec/node-proxy.md 6.1). */
export interface PolicySet {
  readonly deny: readonly Policy[];
  readonly allow: readonly Policy[];
  readonly dryRunDeny: readonly Policy[];
  readonly dryRunAllow: readonly Policy[];
  readonly hasDryRun: boolean;
  /** Placeholders of refused policies; each denies. */
  readonly broken: readonly Policy[];
  /** Listed names that are not held. */
  readonly missing: readonly string[];
}

// A batch that touches a policy replaces `snapshot.policies`; one that touches a workload replaces the workload.
const known = new WeakMap<Snapshot['policies'], WeakMap<Workload, PolicySet>>();

/** The policies that apply to a workload: its namespace's, the global ones, and those it lists. */
export function policySetOf(snapshot: Snapshot, workload: Workload): PolicySet {
  let sets = known.get(snapshot.policies);
  if (sets === undefined) known.set(snapshot.policies, (sets = new WeakMap()));
  const before = sets.get(workload);
  if (before !== undefined) return before;
  const made = buildSet(snapshot, workload);
  sets.set(workload, made);
  return made;
}

function buildSet(snapshot: Snapshot, workload: Workload): PolicySet {
  const applicable = new Map<string, Policy>();
  const missing: string[] = [];
  for (const policy of policiesInScope(snapshot, workload.namespace)) applicable.set(policyKey(policy), policy);
  for (const key of workload.authorizationPolicies) {
    const policy = snapshot.policies.get(key);
    if (policy === undefined) missing.push(key);
    else applicable.set(key, policy);
  }
  const policies = [...applicable.values()];
  const good = policies.filter((policy) => policy.broken === undefined);
  const select = (action: Policy['action'], dryRun: boolean): Policy[] =>
    good.filter((policy) => policy.action === action && policy.dryRun === dryRun);
  return {
    deny: select('DENY', false),
    allow: select('ALLOW', false),
    dryRunDeny: select('DENY', true),
    dryRunAllow: select('ALLOW', true),
    hasDryRun: good.some((policy) => policy.dryRun),
    broken: policies.filter((policy) => policy.broken !== undefined && !policy.dryRun),
    missing,
  };
}
