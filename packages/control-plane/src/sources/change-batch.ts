// In: changes that wait. Out: those that one turn of the event loop may take. Called by: cluster-state.ts, while the model applies what is taken:
// the time that a change needs passes between two of them. Main thread.

/** Most changes of one turn, so that streams are served between the turns: about 10 ms of work with pods. */
export const MAX_BATCH = 500;

/** Time after which a turn takes nothing more: what people write may be large, and is validated before it is kept. */
const SLICE_MS = 10;

/**
 * Yields what waits until there are enough, or until the time is over; at least one. `taken` gets what was yielded.
 * `nowMs` is a monotonic clock.
 */
export function* changeBatch<T>(
  waiting: Iterable<T>,
  taken: T[],
  nowMs: () => number = () => performance.now(),
): Generator<T, void> {
  const endMs = nowMs() + SLICE_MS;
  for (const change of waiting) {
    taken.push(change);
    yield change;
    if (taken.length >= MAX_BATCH || nowMs() >= endMs) return;
  }
}
