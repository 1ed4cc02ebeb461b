// In: how a retry loop went. Out: how long to wait before the next try. Pure; any thread.

/** Settings of {@link createBackoff}. */
export interface BackoffOptions {
  /** First delay, above 0. */
  readonly initialMs: number;
  /** Longest delay before jitter is subtracted or added; at least `initialMs`. */
  readonly maxMs: number;
  /** Part of the delay that is random, 0 to 1: 0.2 gives a delay within ±20 %. Never above `maxMs`. Default 0. */
  readonly jitter?: number;
  /** Source of randomness in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** Exponential backoff: each delay doubles until `reset`. */
export interface Backoff {
  /** The next delay in milliseconds; the one after it is twice as long. */
  next(): number;
  /** Starts again at the initial delay. */
  reset(): void;
}

/** Makes a backoff that doubles from `initialMs` to `maxMs`. */
export function createBackoff(options: BackoffOptions): Backoff {
  const { initialMs, maxMs, jitter = 0, random = Math.random } = options;
  let baseMs = initialMs;
  return {
    next() {
      const delayMs = baseMs * (1 + jitter * (random() * 2 - 1));
      baseMs = Math.min(baseMs * 2, maxMs);
      return Math.min(Math.max(Math.round(delayMs), 0), maxMs);
    },
    reset() {
      baseMs = initialMs;
    },
  };
}
