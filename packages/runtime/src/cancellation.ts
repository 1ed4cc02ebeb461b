// The end of one piece of work before its time. In: `abort` with a reason. Out: a call of each listener. What is made once per connection
// takes a Cancellation; an AbortSignal says the same to whoever has one, and costs as much as all else that Node does for a short connection.
// Used by the byte path and the proxies. Any thread.

/** Either way to say it: both tell `aborted` and `reason`, and are listened to with {@link onCancelled}. */
export type CancelSignal = AbortSignal | Cancellation;

/** Aborted at most once, by whoever holds it. */
export class Cancellation {
  #isAborted = false;
  #reason: unknown;
  #listeners: (() => void)[] = [];

  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** Tells every listener, in order. The first reason counts. */
  abort(reason: Error): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  throwIfAborted(): void {
    if (this.#isAborted) throw this.#reason;
  }

  /** See {@link onCancelled}, which knows what to do when it was aborted before. */
  add(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Idempotent. */
  remove(listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}

/**
 * Calls `listener` once when the signal aborts; soon, and not from inside this call, where it has aborted already. It must not throw. Without a
 * signal nothing is ever called.
 */
export function onCancelled(signal: CancelSignal | undefined, listener: () => void): void {
  if (signal === undefined) return;
  if (signal.aborted) queueMicrotask(listener);
  else if (signal instanceof Cancellation) signal.add(listener);
  else signal.addEventListener('abort', listener, { once: true });
}

/** Takes back {@link onCancelled}. Idempotent. */
export function offCancelled(signal: CancelSignal | undefined, listener: () => void): void {
  if (signal instanceof Cancellation) signal.remove(listener);
  else signal?.removeEventListener('abort', listener);
}
