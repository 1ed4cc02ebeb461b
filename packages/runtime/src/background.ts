// In: a promise nobody awaits. Out: nothing, or one error line. Any thread.
import { codeOf, explain } from './errors.ts';
import type { Logger } from './log.ts';

/** Lets a promise run without an owner that awaits it: a rejection becomes one error line that names the task. */
export function background(log: Logger, task: string, promise: Promise<unknown>): void {
  promise.catch((error: unknown) => {
    log.error('background task failed', { task, code: codeOf(error), error: explain(error) });
  });
}
