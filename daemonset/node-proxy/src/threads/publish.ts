/**
 * One diff of the store in; one message to every data thread out. Path 3, step 7. Main thread.
 *
 * Threads that start later get everything as one diff first, so that none misses a generation.
 */
import { isEmptyDiff, type StateDiff, type StateStore } from '@ambit/state';
import type { ToDataThread } from './messages.ts';
import { shareDiff } from './shared-diff.ts';
import type { ThreadPool } from './thread-pool.ts';

/** From so many workloads on a diff is written once for all threads. */
const SHARED_FROM = 64;

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
      if (threads !== undefined && !isEmptyDiff(diff)) threads.broadcast(messageOf(diff));
    },
    attach(pool) {
      threads = pool;
      pool.broadcast(messageOf(store.fullDiff()));
    },
  };
}

function messageOf(diff: StateDiff): ToDataThread {
  // Shared memory goes as it is.
  if (diff.shared !== undefined || diff.workloads.upsert.length < SHARED_FROM) return { kind: 'state', diff };
  return { kind: 'shared-state', diff: shareDiff(diff) };
}
