/**
 * Fairness between connections. In: requests as they arrive; out: the permission to start one, a few per turn of the
 * event loop. One connection may bring hundreds of requests in one read; answered at once they would keep timers, other
 * connections and the readers of watches waiting for as long as all of them take. Called by the listener. Main thread.
 */

/** Requests that start in one turn of the event loop. */
const perTurn = 32;

/** Lets requests start in the order of their arrival. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #started = 0;
  #isPlanned = false;

  /** Resolves when the request may start: at once while the turn has room. */
  async take(): Promise<void> {
    if (this.#waiting.length === 0 && this.#started < perTurn) {
      this.#started += 1;
      this.#plan();
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      const next = this.#waiting.splice(0, perTurn);
      this.#started = next.length;
      if (next.length > 0) this.#plan();
      for (const start of next) start();
    });
  }
}
