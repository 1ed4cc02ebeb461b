// A token bucket for streams that a peer resets before we answered: cheap for it, costly for us (CVE-2023-44487 and
// cousins). Resets of answered tunnels are ordinary life and are not counted. Pure but for the clock it is given.

/** One bucket per peer connection. */
export interface ResetLimiter {
  /** Counts one; false when the peer has used up its allowance. */
  take(nowMs: number): boolean;
  /** Nothing is missing any more. */
  isFull(nowMs: number): boolean;
}

/** A full bucket of `burst`, refilled with `perSecond`. */
export function createResetLimiter(burst: number, perSecond: number): ResetLimiter {
  let tokens = burst;
  let last: number | undefined;
  const refill = (nowMs: number): void => {
    tokens = Math.min(burst, tokens + ((nowMs - (last ?? nowMs)) / 1000) * perSecond);
    last = nowMs;
  };
  return {
    take(nowMs) {
      refill(nowMs);
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    isFull(nowMs) {
      refill(nowMs);
      return tokens >= burst;
    },
  };
}

/** For frames that cost the peer nothing and carry nothing (PING, SETTINGS, PRIORITY, empty DATA, ...), where nothing else is said. */
export function createIdleFrameLimiter(): ResetLimiter {
  return createResetLimiter(1000, 100);
}
