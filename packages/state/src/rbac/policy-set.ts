// Which policies apply to a workload, sorted by what they do. Called by rbac.ts; remembered per workload until a policy or the
// workload changes. Pure.

import type { Policy } from '../policy.ts';
import { policiesInScope, scopeKey } from '../snapshot.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Workload } from '../workload.ts';
import { RuleIndex } from './rule-index.ts';

/** The policies of one workload (spec/node-proxy.md 6.1). */
export interface PolicySet {
  /** Those of its namespace, the global ones, those it lists; in this order, none twice. */
  readonly groups: readonly PolicyGroup[];
  /** Listed names that are not held. */
  readonly missing: readonly string[];
}

/** Policies that apply together, shared by all workloads that they apply to. */
export interface PolicyGroup {
  readonly deny: RuleIndex;
  readonly allow: RuleIndex;
  readonly dryRunDeny: RuleIndex;
  readonly dryRunAllow: RuleIndex;
  /** Placeholders of refused policies; each denies. */
  readonly broken: readonly Policy[];
}

// A batch that touches a policy replaces `snapshot.policies`; one that touches a workload replaces the workload.
const sets = new WeakMap<Snapshot['policies'], WeakMap<Workload, PolicySet>>();
// A batch replaces the list of a scope only when it touches a policy of that scope.
const scopeGroups = new WeakMap<readonly Policy[], PolicyGroup>();
// Groups of listed policies by their first policy: pods of one deployment list the same ones.
const listGroups = new WeakMap<Policy, { readonly policies: readonly Policy[]; readonly group: PolicyGroup }[]>();
/** Lists remembered per first policy. */
const MAX_LISTS = 16;

/** The policies that apply to a workload: its namespace's, the global ones, and those it lists. */
export function policySetOf(snapshot: Snapshot, workload: Workload): PolicySet {
  let known = sets.get(snapshot.policies);
  if (known === undefined) sets.set(snapshot.policies, (known = new WeakMap()));
  const before = known.get(workload);
  if (before !== undefined) return before;
  const made = buildSet(snapshot, workload);
  known.set(workload, made);
  return made;
}

function buildSet(snapshot: Snapshot, workload: Workload): PolicySet {
  const scopes = policiesInScope(snapshot, workload.namespace);
  const missing: string[] = [];
  const listed = new Set<Policy>();
  for (const key of workload.authorizationPolicies) {
    const policy = snapshot.policies.get(key);
    if (policy === undefined) missing.push(key);
    else if (!isInScope(policy, workload.namespace)) listed.add(policy);
  }
  const groups = scopes.map((policies) => scopeGroup(policies));
  if (listed.size > 0) groups.push(listGroup([...listed]));
  return { groups, missing };
}

function isInScope(policy: Policy, namespace: string): boolean {
  return policy.scope === 'GLOBAL' || scopeKey(policy) === `namespace/${namespace}`;
}

function scopeGroup(policies: readonly Policy[]): PolicyGroup {
  const known = scopeGroups.get(policies);
  if (known !== undefined) return known;
  const made = buildGroup(policies);
  scopeGroups.set(policies, made);
  return made;
}

function listGroup(policies: readonly Policy[]): PolicyGroup {
  const [first] = policies;
  if (first === undefined) return buildGroup(policies);
  let known = listGroups.get(first);
  if (known === undefined) listGroups.set(first, (known = []));
  const same = known.find((one) => isSameList(one.policies, policies));
  if (same !== undefined) return same.group;
  const group = buildGroup(policies);
  if (known.length >= MAX_LISTS) known.shift();
  known.push({ policies, group });
  return group;
}

function isSameList(one: readonly Policy[], other: readonly Policy[]): boolean {
  return one.length === other.length && one.every((policy, index) => policy === other[index]);
}

function buildGroup(policies: readonly Policy[]): PolicyGroup {
  const good = policies.filter((policy) => policy.broken === undefined);
  const select = (action: Policy['action'], dryRun: boolean): RuleIndex =>
    new RuleIndex(good.filter((policy) => policy.action === action && policy.dryRun === dryRun));
  return {
    deny: select('DENY', false),
    allow: select('ALLOW', false),
    dryRunDeny: select('DENY', true),
    dryRunAllow: select('ALLOW', true),
    broken: policies.filter((policy) => policy.broken !== undefined && !policy.dryRun),
  };
}
