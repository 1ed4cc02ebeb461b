/** Step 7a: fault injection of the chosen rule (spec/waypoint.md 3.1, 3.7). Data thread. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Filter } from './request-context.ts';

/** Delays, then aborts, as the draws say. */
export const fault: Filter = async ({ route, random, record }) => {
  const decision = route?.fault?.decide(random);
  if (decision === undefined) return undefined;
  if (decision.delayMs !== undefined) {
    record.flags.add('DI');
    await pause(decision.delayMs);
  }
  return decision.abort;
};
