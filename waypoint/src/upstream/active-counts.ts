/**
 * How much is in work, by name. In: a beginning. Out: its place, whose disposal is the end. Used by breakers.ts (limits) and pick.ts (the
 * least busy endpoint). One per data thread and use.
 */

/** Counts by key; a key with nothing in work takes no memory. */
export class ActiveCounts {
  readonly #counts = new Map<string, number>();

  /** What is in work now. */
  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** One more, until disposed. Disposing twice is harmless. */
  hold(key: string): Disposable {
    this.#counts.set(key, this.of(key) + 1);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const left = this.of(key) - 1;
        if (left <= 0) this.#counts.delete(key);
        else this.#counts.set(key, left);
      },
    };
  }
}
