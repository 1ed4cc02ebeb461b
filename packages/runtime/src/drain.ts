// In: one hold per live connection, then one start. Out: when the last hold is gone, or that the deadline won.
// Called by: listeners (watch the signal), connections (hold), app.ts (start). One thread.
import { type Clock, systemClock } from './clock.ts';

/** How to end: `graceful` waits for the holds until the deadline, `immediate` does not wait. */
export type DrainMode = 'graceful' | 'immediate';

/** Tokens of live work, and the one signal that tells everybody to finish. */
export interface Drain {
  /** Aborted when the drain starts; its reason is a {@link DrainStarted}. */
  readonly signal: AbortSignal;
  /** Undefined until started; then the strongest mode asked for so far. */
  readonly mode: DrainMode | undefined;
  /** Live holds. */
  readonly held: number;
  /** Marks one piece of live work; disposing releases it (idempotent). */
  hold(): Disposable;
  /**
   * Starts the drain. Resolves when nothing is held any more or when `deadlineMs` has passed.
   * A second call may only make it stronger: `immediate` after `graceful` ends the wait of both.
   */
  start(mode: DrainMode, deadlineMs: number): Promise<'drained' | 'deadline'>;
}

/** Abort reason of a drain; an expected outcome, not a failure. */
export class DrainStarted extends Error {
  override readonly name = 'DrainStarted';
  readonly mode: DrainMode;

  constructor(mode: DrainMode) {
    super(`drain started (${mode})`);
    this.mode = mode;
  }
}

/** Makes a drain. */
export function createDrain(options: { clock?: Clock } = {}): Drain {
  const { clock = systemClock } = options;
  const controller = new AbortController();
  const waiters = new Set<(outcome: 'drained' | 'deadline') => void>();
  let held = 0;
  let mode: DrainMode | undefined;

  const settleAll = (outcome: 'drained' | 'deadline'): void => {
    for (const settle of waiters) settle(outcome);
    waiters.clear();
  };

  const release = (): void => {
    held -= 1;
    if (held === 0) settleAll('drained');
  };

  return {
    signal: controller.signal,
    get mode() {
      return mode;
    },
    get held() {
      return held;
    },
    hold() {
      held += 1;
      return new Hold(release);
    },
    async start(asked, deadlineMs) {
      if (mode !== 'immediate') mode = asked;
      if (!controller.signal.aborted) controller.abort(new DrainStarted(asked));
      if (held === 0) return 'drained';
      if (mode === 'immediate') {
        settleAll('deadline');
        return 'deadline';
      }
      const done = Promise.withResolvers<'drained' | 'deadline'>();
      waiters.add(done.resolve);
      using _timer = clock.setTimeout(() => done.resolve('deadline'), deadlineMs);
      const outcome = await done.promise;
      waiters.delete(done.resolve);
      return outcome;
    },
  };
}

/** One piece of live work. A class: it is made per connection, and methods of a literal under a computed name are slow to make. */
class Hold implements Disposable {
  #release: (() => void) | undefined;

  constructor(release: () => void) {
    this.#release = release;
  }

  [Symbol.dispose](): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}
