/**
 * How busy the event loop of a thread is, and how long it kept others waiting. Node's own counts in; one sample per interval out.
 *
 * One per thread: the main thread's is made by `app.ts`, a data thread's goes to the main thread in its report. Replaces the
 * `tokio_*` metrics of upstream (spec/node-proxy.md 9.1, user-tools.md 4.6).
 */
import { performance } from 'node:perf_hooks';

/** Time between two looks; a stall that is shorter may fall between them. */
const LOOK_EVERY_MS = 100;

/** What a loop did since the sample before. */
export interface LoopSample {
  /** Time in which it ran code. */
  readonly busySeconds: number;
  /** The longest time by which a timer was late. */
  readonly longestLagSeconds: number;
}

/** Measures the loop of the calling thread until it is disposed. `take` returns what was since the last `take`. */
export function measureEventLoop(): Disposable & { take(): LoopSample } {
  let before = performance.eventLoopUtilization();
  let lookedAtMs = performance.now();
  let longestMs = 0;
  // Node's own monitor starts anew with every reset, and does not see what happens until its next look.
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lookedAtMs - LOOK_EVERY_MS);
    lookedAtMs = nowMs;
  }, LOOK_EVERY_MS).unref();
  return {
    take() {
      const now = performance.eventLoopUtilization();
      const { active } = performance.eventLoopUtilization(now, before);
      before = now;
      const sample = { busySeconds: active / 1000, longestLagSeconds: longestMs / 1000 };
      longestMs = 0;
      return sample;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
