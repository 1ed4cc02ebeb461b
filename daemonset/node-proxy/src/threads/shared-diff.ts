/**
 * A large diff in memory that all threads share: written once by the main thread, read by each data thread.
 *
 * Called by `publish.ts` (main) and `data-thread.ts`.
 */
import { deserialize, serialize } from 'node:v8';
import { packDiff, type PackedDiff, type StateDiff, unpackDiff } from '@ambit/state';

/** Writes a diff; the memory is never written again. */
export function shareDiff(diff: StateDiff): SharedArrayBuffer {
  const bytes = serialize(packDiff(diff));
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}

/** Reads what {@link shareDiff} wrote. */
export function readSharedDiff(shared: SharedArrayBuffer): StateDiff {
  return unpackDiff(deserialize(new Uint8Array(shared)) as PackedDiff);
}
