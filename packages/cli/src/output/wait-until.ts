// In: a question that is asked again until it is answered. Out: the answer, or an error that says what was missing at the end.
// Called by commands and tour steps.
import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from '../errors.ts';

/** Answer of one try: a value, or what is still missing. */
export type Attempt<T> = { readonly value: T } | { readonly missing: string };

/** Asks every 100 ms until there is a value; after `timeoutMs` throws ERR_CLI_TIMEOUT with the last `missing`. */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  attempt: () => Promise<Attempt<T>>,
  options: {
    readonly signal?: AbortSignal;
    readonly onMissing?: (missing: string) => void;
    readonly hint?: string;
  } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let missing = 'nothing was answered';
  for (;;) {
    options.signal?.throwIfAborted();
    const outcome = await attempt();
    if ('value' in outcome) return outcome.value;
    missing = outcome.missing;
    options.onMissing?.(missing);
    if (performance.now() > deadline) {
      throw new CliError('ERR_CLI_TIMEOUT', `${what}: not within ${timeoutMs / 1000} s`, {
        cause: new Error(missing),
        ...(options.hint === undefined ? {} : { hint: options.hint }),
      });
    }
    await delay(100, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}
