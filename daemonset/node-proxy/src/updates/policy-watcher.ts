/**
 * A change of policies or of the own workload in; connections that are no longer allowed closed. Path 3, step 8.
 *
 * Called by `threads/data-thread.ts` after each applied diff, on a data thread. Unlike ztunnel a change of the
 * workload record (its list of policies) is looked at too (spec/node-proxy.md 3.7, 14.1-5).
 */
import type { L4Decision, Snapshot, StateDiff } from '@ambit/state';
import type { ConnectionRegistry } from '../connections/registry.ts';
import { authorize, type MissingPolicy, type PolicyFacts } from '../inbound/authorize.ts';
import { policyChange } from '../telemetry/response-flags.ts';

/** Whether a diff can change what policies say about the connections of a pod with this workload. */
export function concerns(diff: StateDiff, ownUid: string | undefined): boolean {
  const { policies, workloads } = diff;
  // What lies in shared memory is not told one by one.
  if (diff.replace || diff.shared !== undefined || policies.upsert.length + policies.remove.length > 0) return true;
  return workloads.upsert.some(({ uid }) => uid === ownUid);
}

/** Closes the connections of one pod that the snapshot denies, telling each denial first; returns how many. */
export function closeDenied(
  registry: ConnectionRegistry<PolicyFacts>,
  snapshot: Snapshot,
  missing: MissingPolicy,
  onDenied: (decision: L4Decision, facts: PolicyFacts) => void,
): number {
  const isAllowed = (facts: PolicyFacts): boolean => {
    const decision = authorize(snapshot, facts, missing);
    if (!decision.allow) onDenied(decision, facts);
    return decision.allow;
  };
  return registry.recheck(isAllowed, policyChange);
}
