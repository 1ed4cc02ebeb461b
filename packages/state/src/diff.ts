// What changed in one batch, as plain data. Made by the store that translates (main thread), applied by the stores of the
// data threads. Structured-cloneable: no class instances, no functions.

import type { Policy } from './policy.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

/** Upserts and removals of one kind; a key is never in both lists. */
export interface KindDiff<T> {
  readonly upsert: readonly T[];
  readonly remove: readonly string[];
}

/** One batch. `generation` counts up by one per batch that changed something, from 0 = empty. */
export interface StateDiff {
  readonly generation: number;
  /** `true`: forget everything first (the first message to a data thread). */
  readonly replace: boolean;
  /** All workloads in memory that threads share (`StoreOptions.shareFrom`); `workloads` is what changed since. Absent: as they were. */
  readonly shared?: SharedArrayBuffer;
  /** Keyed by uid. */
  readonly workloads: KindDiff<Workload>;
  /** Keyed by `namespace/hostname`. */
  readonly services: KindDiff<Service>;
  /** Keyed by `namespace/name`. */
  readonly policies: KindDiff<Policy>;
}

/** Whether the batch touched nothing. */
export function isEmptyDiff(diff: StateDiff): boolean {
  if (diff.replace || diff.shared !== undefined) return false;
  const { workloads, services, policies } = diff;
  return [workloads, services, policies].every((kind) => kind.upsert.length + kind.remove.length === 0);
}
