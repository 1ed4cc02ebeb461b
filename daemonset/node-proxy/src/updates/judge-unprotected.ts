/**
 * Connections of enrolled pods that no proxy carries, in; those that a policy denies, out. Path 3, pure.
 *
 * Called by `inpod/unprotected-client.ts` on the main thread. Such a connection was open when its pod was enrolled: it is plaintext
 * and its client has no identity, so policies are asked exactly as for captured plaintext (decisions W19).
 */
import type { Snapshot, Workload } from '@ambit/state';
import { authorize, type MissingPolicy, planPlaintext } from '../inbound/authorize.ts';
import type { WorkloadInfo } from '../inpod/zds-protocol.ts';

/** One connection as the node agent lists it. */
export interface UnprotectedConnection {
  readonly id: string;
  /** The pod that accepted it. */
  readonly workload: WorkloadInfo;
  readonly source: { readonly ip: string; readonly port: number };
  readonly destination: { readonly ip: string; readonly port: number };
}

/** A connection that must not go on, and the policy that says so. */
export interface UnprotectedDenial {
  readonly id: string;
  readonly policy: string;
}

/** Which of these connections are denied. Those of pods that are not known yet are left alone until they are. */
export function judgeUnprotected(
  snapshot: Snapshot,
  connections: readonly UnprotectedConnection[],
  options: { readonly find: (info: WorkloadInfo) => Workload | undefined; readonly missing: MissingPolicy },
): readonly UnprotectedDenial[] {
  return connections.flatMap(({ id, workload, source, destination }) => {
    const own = options.find(workload);
    if (own === undefined) return [];
    const plan = planPlaintext(snapshot, { own, remote: source, destination, illegalPorts: new Set() });
    if (plan.kind !== 'forward') return [];
    const decision = authorize(snapshot, plan.facts, options.missing);
    return decision.allow ? [] : [{ id, policy: decision.policy ?? '' }];
  });
}
