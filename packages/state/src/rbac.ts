// The L4 authorization decision (spec/node-proxy.md 6, decision W3). In: a snapshot and the facts of a connection. Out: allow, or
// deny with the policy and rule. Called by the node proxy's inbound paths and its policy watcher; pure; data threads.

import { parseSpiffeId, principalOf } from '@ambit/identity/spiffe';

import { compilePolicy } from './rbac/compile-policy.ts';
import type { ConnectionView } from './rbac/compile-policy.ts';
import { policySetOf } from './rbac/policy-set.ts';
import { policyKey } from './policy.ts';
import type { Policy } from './policy.ts';
import { groupsOf } from './ip.ts';
import type { Snapshot } from './snapshot.ts';
import type { Workload } from './workload.ts';

/** One inbound connection as policies see it. */
export interface ConnectionFacts {
  /** The workload that is connected to. */
  readonly destination: Workload;
  /** Canonical text. */
  readonly sourceIp: string;
  /** Identity URI of the TLS peer; absent for plaintext. */
  readonly sourceIdentity?: string;
  /** After port substitution: what the application sees (canonical text). */
  readonly destinationIp: string;
  readonly destinationPort: number;
}

/** A policy that matched, and which of its rules (from 0). */
export interface PolicyHit {
  readonly policy: string;
  readonly rule: number;
}

/** A line for the decision log: upstream's message, and the policy when there is one. */
export interface DryRunNote {
  readonly message: string;
  readonly policy?: string;
}

/** The decision. `message` is the reason as the access log says it. */
export type L4Decision =
  | { readonly allow: true; readonly by?: PolicyHit; readonly dryRun: readonly DryRunNote[] }
  | {
      readonly allow: false;
      readonly cause: 'denied-by-policy' | 'no-allow-matched' | 'missing-policy' | 'broken-policy';
      readonly policy?: string;
      readonly rule?: number;
      readonly message: string;
      readonly dryRun: readonly DryRunNote[];
    };

/** How a listed policy that is not held counts: `deny` (decision W3), or `skip` (`AMBIT_MISSING_POLICY=upstream`). */
export interface AuthorizationOptions {
  readonly missingPolicy?: 'deny' | 'skip';
}

const noNotes: readonly DryRunNote[] = [];

/** Decides one connection. Takes microseconds once the destination's policies are compiled (first use after a change). */
export function authorizeL4(
  snapshot: Snapshot,
  facts: ConnectionFacts,
  options: AuthorizationOptions = {},
): L4Decision {
  const set = policySetOf(snapshot, facts.destination);
  const view = viewOf(facts);
  const dryRun = set.hasDryRun ? dryRunNotes(set, view) : noNotes;

  const denied = firstHit(set.deny, view);
  if (denied !== undefined) {
    return {
      allow: false,
      cause: 'denied-by-policy',
      ...denied,
      message: `explicitly denied by: ${denied.policy}`,
      dryRun,
    };
  }
  const [broken] = set.broken;
  if (broken !== undefined) {
    const policy = policyKey(broken);
    return {
      allow: false,
      cause: 'broken-policy',
      policy,
      message: `policy ${policy} was refused: ${broken.broken}`,
      dryRun,
    };
  }
  const [missing] = set.missing;
  if (missing !== undefined && options.missingPolicy !== 'skip') {
    return {
      allow: false,
      cause: 'missing-policy',
      policy: missing,
      message: `policy ${missing} is not known yet`,
      dryRun,
    };
  }
  if (set.allow.length === 0) return { allow: true, dryRun };
  const allowed = firstHit(set.allow, view);
  if (allowed !== undefined) return { allow: true, by: allowed, dryRun };
  return { allow: false, cause: 'no-allow-matched', message: 'allow policies exist, but none allowed', dryRun };
}

/** Names in a workload's list that are not held: the value of the `ambit_policy_missing` gauge. */
export function missingPolicies(snapshot: Snapshot, workload: Workload): readonly string[] {
  return policySetOf(snapshot, workload).missing;
}

function dryRunNotes(set: ReturnType<typeof policySetOf>, view: ConnectionView): DryRunNote[] {
  const notes: DryRunNote[] = [];
  for (const policy of set.dryRunDeny) {
    const hit = firstHit([policy], view);
    if (hit !== undefined) notes.push({ message: 'dry-run: deny policy match', policy: hit.policy });
  }
  const allowed = set.dryRunAllow.filter((policy) => firstHit([policy], view) !== undefined);
  for (const policy of allowed) notes.push({ message: 'dry-run: allow policy match', policy: policyKey(policy) });
  if (set.allow.length === 0 && set.dryRunAllow.length > 0 && allowed.length === 0) {
    notes.push({ message: 'dry-run: no allow policies match' });
  }
  return notes;
}

function firstHit(policies: readonly Policy[], view: ConnectionView): PolicyHit | undefined {
  for (const policy of policies) {
    const rule = compilePolicy(policy)(view);
    if (rule >= 0) return { policy: policyKey(policy), rule };
  }
  return undefined;
}

function viewOf(facts: ConnectionFacts): ConnectionView {
  const id = facts.sourceIdentity === undefined ? undefined : parseSpiffeId(facts.sourceIdentity);
  return {
    principal: id === undefined || facts.sourceIdentity === undefined ? undefined : principalOf(facts.sourceIdentity),
    namespace: id?.namespace ?? '',
    serviceAccount: id?.serviceAccount,
    sourceGroups: groupsOf(facts.sourceIp),
    destinationGroups: groupsOf(facts.destinationIp),
    destinationPort: facts.destinationPort,
  };
}
