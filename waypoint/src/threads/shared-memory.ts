/**
 * Memory that all data threads share: what circuit breakers count, and the token buckets of local rate limits (spec/waypoint.md
 * 5.11). Made by app.ts on the main thread, handed to every data thread when it starts.
 */
import { bucketMemory } from '@ambit/l7';
import { COUNTS_BYTES } from '../upstream/shared-counts.ts';

/** The memory; plain buffers, so that it crosses to a worker. */
export interface SharedMemory {
  readonly counts: ArrayBufferLike;
  readonly buckets: ArrayBufferLike;
}

/** Makes the memory of a process. */
export const createSharedMemory = (): SharedMemory => ({
  counts: new SharedArrayBuffer(COUNTS_BYTES),
  buckets: bucketMemory({ isShared: true }),
});
