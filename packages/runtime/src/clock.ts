// In: nothing. Out: time and timers behind an interface, so that a test can move time. Any thread.

/** Wall-clock time and timers. Tests pass the fake clock of `@ambit/runtime/testing`. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fn` once after `ms`; disposing cancels. The timer never keeps the process alive. */
  setTimeout(fn: () => void, ms: number): Disposable;
}

/** Node's timers turn a larger delay into 1 ms; a longer wait is done in steps. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout(fn, ms) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(Math.max(left, 0), MAX_DELAY_MS);
      timer = setTimeout(() => (left > step ? arm(left - step) : fn()), step);
      timer.unref();
    };
    arm(ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms`, or rejects with the signal's reason when it aborts first. Keeps the process alive no longer than the clock does. */
export async function sleep(ms: number, options: { clock?: Clock; signal?: AbortSignal } = {}): Promise<void> {
  const { clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const done = Promise.withResolvers<void>();
  const onAbort = (): void => done.reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.setTimeout(() => done.resolve(), ms);
  try {
    await done.promise;
  } finally {
    timer[Symbol.dispose]();
    signal?.removeEventListener('abort', onAbort);
  }
}
