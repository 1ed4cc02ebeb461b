/**
 * Policy decisions in; their log lines out (spec/node-proxy.md 6.2). Called by the inbound paths on a data thread.
 *
 * A refusal is one warn line that names policy, source and destination; an allowance is debug, or info with
 * `AUTHZ_POLICY_INFO_LOGGING`.
 */
import type { L4Decision } from '@ambit/state';
import type { PodContext } from '../threads/pod-context.ts';
import { decisionFields, type PolicyFacts } from './authorize.ts';

/** Writes the line of a decision, and counts denials by a missing policy. */
export function logDecision(context: PodContext, decision: L4Decision, facts: PolicyFacts): void {
  const log = context.policyLog;
  const level = context.config.policyInfoLogging ? 'info' : 'debug';
  for (const note of decision.dryRun) log[level](note.message, { policy: note.policy });
  if (decision.allow) {
    if (!log.isEnabled(level)) return;
    const message = decision.by === undefined ? 'no allow policies, allow' : 'allow policy match';
    log[level](message, decisionFields(decision, facts));
    return;
  }
  if (decision.cause === 'missing-policy') context.missingPolicy.denied += 1;
  const message = decision.cause === 'no-allow-matched' ? 'no allow policies matched' : 'deny policy match';
  log.warn(message, { ...decisionFields(decision, facts), reason: decision.message });
}
