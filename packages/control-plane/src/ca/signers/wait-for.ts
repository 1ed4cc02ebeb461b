// Waits for another controller to fill an object in. In: a look at it. Out: what the look found. Used by the signers; main thread.
import { IdentityError } from '@ambit/identity';
import { setTimeout as pause } from 'node:timers/promises';

const FIRST_MS = 25;
const LONGEST_MS = 1_000;
/** How long a signer may take. */
export const SIGNING_DEADLINE_MS = 30_000;

/** Looks, with growing pauses, until the look finds something. Rejects with ERR_IDENTITY_CA_UNREACHABLE after the deadline. */
export async function waitFor<T>(what: string, look: () => Promise<T | undefined>, deadlineMs: number): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_MS)) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() + pauseMs > deadline) {
      throw new IdentityError('ERR_IDENTITY_CA_UNREACHABLE', `${what} was not signed within ${deadlineMs} ms`, {
        hint: 'is the signer that it names running?',
      });
    }
    await pause(pauseMs);
  }
}
