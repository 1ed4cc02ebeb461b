/** Step 7a: fault injection of the chosen rule (spec/waypoint.md 3.1, 3.7). Data thread. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Filter } from './request-context.ts';

/** Delays, then aborts, as the draws say. */
export const fault: Filter = ({ route, random, record }) => {
  const decision = route?.fault?.decide(random);
  if (decision === undefined) return undefined;
  const { delayMs, abort } = decision;
  if (delayMs === undefined) return abort;
  record.flags.add('DI');
  return pause(delayMs).then(() => abort);
};
