/**
 * Changes of the state in; answers that were waited for out.
 *
 * Made by `app.ts`, asked by `inpod/start-pod.ts` for what a pod's start depends on. Main thread.
 */

/** Lets others wait for the state to change. */
export class StateWaiters {
  readonly #waiting = new Set<() => void>();

  /** Asks again on behalf of everybody who waits. */
  changed(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves with the first defined answer, asked now and after each change. */
  async whenFound<T>(signal: AbortSignal, ask: () => T | undefined): Promise<T> {
    const now = ask();
    if (now !== undefined) return now;
    const done = Promise.withResolvers<T>();
    const wake = (): void => {
      const answer = ask();
      if (answer !== undefined) done.resolve(answer);
    };
    const abort = (): void => done.reject(signal.reason);
    this.#waiting.add(wake);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await done.promise;
    } finally {
      this.#waiting.delete(wake);
      signal.removeEventListener('abort', abort);
    }
  }
}
