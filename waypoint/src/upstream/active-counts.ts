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

  /** True when something is in work. */
  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** One more, until disposed. Disposing twice is harmless. */
  hold(key: string): Disposable {
    this.#counts.set(key, this.of(key) + 1);
    return new Place(this.#counts, key);
  }
}

/** One that is in work. */
class Place implements Disposable {
  #counts: Map<string, number> | undefined;
  readonly #key: string;

  constructor(counts: Map<string, number>, key: string) {
    this.#counts = counts;
    this.#key = key;
  }

  [Symbol.dispose](): void {
    const counts = this.#counts;
    if (counts === undefined) return;
    this.#counts = undefined;
    const left = (counts.get(this.#key) ?? 0) - 1;
    if (left <= 0) counts.delete(this.#key);
    else counts.set(this.#key, left);
  }
}
