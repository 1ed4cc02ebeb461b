// A rate-limited queue of keys in front of one reconcile function.
// Comes in: keys of changed objects. Goes out: calls of `reconcile`, one at a time per key. Called by every controller.
// Main thread.
import { isConflict, isNotFound } from '../api/status.ts';
import type { Logger } from '@ambit/runtime/log';

/** What a reconcile may ask for: nothing, or to be called again after a time. */
export type ReconcileResult = void | { requeueAfterMs: number };

/** A running queue; `close()` forgets what waits and lets running calls end. */
export interface WorkQueue {
  /** Asks for one more reconcile of the key, after `delayMs` (default at once). Several asks are merged. */
  add(key: string, delayMs?: number): void;
  close(): void;
}

const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 10_000;
const CONCURRENCY = 8;

/** Starts a queue; failures are retried with a back-off of 10 ms doubling to 10 s per key. */
export function createWorkQueue(
  name: string,
  log: Logger,
  reconcile: (key: string) => Promise<ReconcileResult>,
): WorkQueue {
  const ready: string[] = [];
  const waiting = new Set<string>();
  const running = new Set<string>();
  const dirty = new Set<string>();
  const failures = new Map<string, number>();
  const timers = new Map<string, { dueMs: number; timer: NodeJS.Timeout }>();
  let closed = false;
  let pumping = false;

  const push = (key: string): void => {
    if (closed || waiting.has(key)) return;
    if (running.has(key)) {
      dirty.add(key);
      return;
    }
    waiting.add(key);
    ready.push(key);
    if (pumping) return;
    pumping = true;
    queueMicrotask(pump);
  };

  const add = (key: string, delayMs = 0): void => {
    if (closed) return;
    if (delayMs <= 0) return push(key);
    const dueMs = Date.now() + delayMs;
    const present = timers.get(key);
    if (present !== undefined && present.dueMs <= dueMs) return;
    if (present !== undefined) clearTimeout(present.timer);
    const timer = setTimeout(() => {
      timers.delete(key);
      push(key);
    }, delayMs);
    timer.unref();
    timers.set(key, { dueMs, timer });
  };

  const run = async (key: string): Promise<void> => {
    running.add(key);
    try {
      const result = await reconcile(key);
      failures.delete(key);
      if (result !== undefined) add(key, result.requeueAfterMs);
    } catch (error) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      const expected = isConflict(error) || isNotFound(error);
      const text = error instanceof Error ? error.message : String(error);
      if (!closed)
        log[expected || count === 0 ? 'debug' : 'warn']('reconcile failed', { controller: name, key, error: text });
      add(key, Math.min(FIRST_RETRY_MS * 2 ** Math.min(count, 12), LAST_RETRY_MS));
    } finally {
      running.delete(key);
      if (dirty.delete(key)) push(key);
      pump();
    }
  };

  const pump = (): void => {
    pumping = false;
    while (!closed && running.size < CONCURRENCY) {
      const key = ready.shift();
      if (key === undefined) return;
      waiting.delete(key);
      void run(key); // settles itself: `run` never rejects
    }
  };

  return {
    add,
    close: () => {
      closed = true;
      ready.length = 0;
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
