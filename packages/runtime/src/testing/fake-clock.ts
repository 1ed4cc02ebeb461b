// In: a test that moves time. Out: timers in order, without waiting.
import type { Clock } from '../clock.ts';

/** A clock that stands still until the test moves it. */
export interface FakeClock extends Clock {
  /** Moves time and runs each due timer at its own time, also those that a timer adds. Lets promise callbacks run in between. */
  advance(ms: number): Promise<void>;
  /** Timers not yet run. */
  readonly pending: number;
}

/** Makes a fake clock that starts at `startMs` (default 1 000 000). */
export function createFakeClock(startMs = 1_000_000): FakeClock {
  let nowMs = startMs;
  const timers = new Set<{ atMs: number; fn: () => void }>();
  const nextDue = (untilMs: number): { atMs: number; fn: () => void } | undefined => {
    let next: { atMs: number; fn: () => void } | undefined;
    for (const timer of timers)
      if (timer.atMs <= untilMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    return next;
  };
  return {
    now: () => nowMs,
    get pending() {
      return timers.size;
    },
    setTimeout(fn, ms) {
      const timer = { atMs: nowMs + Math.max(ms, 0), fn };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await turn();
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer);
        nowMs = Math.max(nowMs, timer.atMs);
        timer.fn();
        await turn();
      }
      nowMs = untilMs;
    },
  };
}

/** Lets queued promise callbacks run. */
async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
