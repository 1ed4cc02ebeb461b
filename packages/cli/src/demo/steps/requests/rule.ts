// What the rules of step 7 share: a rule, how it is shown, and bursts that are repeated until its effect is seen.
import { waitUntil } from '../../../output/wait-until.ts';
import type { BurstOrder, BurstResult } from '../../load-client.ts';
import type { Stage } from '../../stage.ts';

/** One rule for single requests. */
export interface RequestRule {
  /** What a user would type. */
  readonly command: string;
  /** Applies it, sees it work, and says what was seen; throws when it does not work. */
  readonly show: (stage: Stage) => Promise<string>;
}

/** The service that most rules are tried on. */
export const ratings = { host: 'ratings:9080', path: '/ratings/0' };

/** Repeats a burst until its answers look right; the answers of the last one. */
export async function until(
  stage: Stage,
  what: string,
  order: BurstOrder,
  isSeen: (result: BurstResult) => boolean,
): Promise<BurstResult> {
  return waitUntil(what, 20_000, async () => {
    const result = await stage.load.burst(order);
    return isSeen(result) ? { value: result } : { missing: JSON.stringify({ ...result, sample: undefined }) };
  });
}
