// In: "these names of this type changed". Out: turns for each connection to push, merged and fair.
// Called by: server.ts (changes), connection.ts (turns). Main thread. Source: spec control-plane 4.5 (S17, S18).
import type { Clock } from '@ambit/runtime/clock';
import type { PushedChange } from './delta-session.ts';

/** Changes of all types that one push carries. */
export type PushBatch = Map<string, PushedChange>;

/** Adds a change to a batch: names unite, forced wins. */
export function mergeChange(batch: PushBatch, typeUrl: string, change: PushedChange): void {
  const known = batch.get(typeUrl);
  if (known === undefined) {
    batch.set(typeUrl, change);
    return;
  }
  const names = known.names === 'all' || change.names === 'all' ? 'all' : known.names.union(change.names);
  batch.set(typeUrl, { names, forced: known.forced || change.forced });
}

/** Collects changes until it is quiet. */
export interface Debounce {
  add(typeUrl: string, change: PushedChange): void;
  /** Hands over what is collected: at once, but not within `gapMs` of the last time. What comes in between goes together. */
  flush(gapMs: number): void;
  close(): void;
}

/**
 * Calls `onBatch` when nothing was added for `quietMs`, at the latest `maxMs` after the first change. `waitedMs`: since the first change of the
 * batch.
 */
export function createDebounce(options: {
  clock: Clock;
  quietMs: number;
  maxMs: number;
  onBatch: (batch: PushBatch, waitedMs: number) => void;
}): Debounce {
  const { clock, quietMs, maxMs, onBatch } = options;
  let batch: PushBatch = new Map();
  let firstMs = 0;
  let lastMs = 0;
  let flushedMs = Number.NEGATIVE_INFINITY;
  let timer: Disposable | undefined;
  let gapTimer: Disposable | undefined;
  const stopTimers = (): void => {
    timer?.[Symbol.dispose]();
    gapTimer?.[Symbol.dispose]();
    timer = undefined;
    gapTimer = undefined;
  };
  const handOver = (): void => {
    stopTimers();
    if (batch.size === 0) return;
    const full = batch;
    batch = new Map();
    flushedMs = clock.now();
    onBatch(full, flushedMs - firstMs);
  };
  const check = (): void => {
    const now = clock.now();
    const dueMs = Math.min(lastMs + quietMs, firstMs + maxMs);
    if (now >= dueMs) handOver();
    else timer = clock.setTimeout(check, dueMs - now);
  };
  return {
    add(typeUrl, change) {
      const now = clock.now();
      if (batch.size === 0) firstMs = now;
      lastMs = now;
      mergeChange(batch, typeUrl, change);
      // One timer per batch: it looks again when it fires, so a burst costs no timers.
      timer ??= clock.setTimeout(check, Math.min(quietMs, maxMs));
    },
    flush(gapMs) {
      const waitMs = flushedMs + gapMs - clock.now();
      if (waitMs <= 0) handOver();
      else gapTimer ??= clock.setTimeout(handOver, waitMs);
    },
    close() {
      stopTimers();
      batch.clear();
    },
  };
}

/** Something that wants to push. */
export interface Pusher {
  /** Pushes what is pending; may stop early (full socket) and ask for another turn later. */
  pushTurn(): void;
}

/** Gives turns, one pusher at a time, in the order in which they asked. */
export interface TurnQueue {
  ask(pusher: Pusher): void;
  leave(pusher: Pusher): void;
}

/** Time that pushes may take before other work of the event loop gets its turn. */
const SLICE_MS = 5;

/** Makes an empty queue. A pusher stands in it at most once. */
export function createTurnQueue(): TurnQueue {
  const waiting = new Set<Pusher>();
  let isRunning = false;
  const run = (): void => {
    const endMs = performance.now() + SLICE_MS;
    for (const pusher of waiting) {
      waiting.delete(pusher);
      pusher.pushTurn();
      if (performance.now() >= endMs) break;
    }
    if (waiting.size === 0) isRunning = false;
    else setImmediate(run);
  };
  return {
    ask(pusher) {
      waiting.add(pusher);
      if (isRunning) return;
      isRunning = true;
      setImmediate(run);
    },
    leave(pusher) {
      waiting.delete(pusher);
    },
  };
}
