/**
 * One diff of the store in; one message to every data thread out. Path 3, step 7. Main thread.
 *
 * Threads that start later get everything as one diff first, so that none misses a generation.
 */
import { isEmptyDiff, type StateDiff, type StateStore } from '@ambit/state';
import type { ThreadPool } from './thread-pool.ts';

/** Sends diffs to all data threads. */
export interface Publisher {
  publish(diff: StateDiff): void;
  /** From now on diffs go to these threads; they get the whole state first. */
  attach(threads: ThreadPool): void;
}

/** Makes a publisher without threads: the store is filled, nothing is sent. */
export function createPublisher(store: StateStore): Publisher {
  let threads: ThreadPool | undefined;
  return {
    publish(diff) {
      if (!isEmptyDiff(diff)) threads?.broadcast({ kind: 'state', diff });
    },
    attach(pool) {
      threads = pool;
      pool.broadcast({ kind: 'state', diff: store.fullDiff() });
    },
  };
}
