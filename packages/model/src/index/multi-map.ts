// A map from one key to a set of values. Empty sets are dropped. Used by every index of the model.

/** Map of sets. */
export class MultiMap<K, V> {
  readonly #sets = new Map<K, Set<V>>();

  add(key: K, value: V): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([value]));
    else set.add(value);
  }

  remove(key: K, value: V): void {
    const set = this.#sets.get(key);
    if (set?.delete(value) === true && set.size === 0) this.#sets.delete(key);
  }

  /** Values of a key; empty when there are none. The set is live: do not change the map while iterating. */
  get(key: K): ReadonlySet<V> {
    return this.#sets.get(key) ?? EMPTY;
  }

  has(key: K): boolean {
    return this.#sets.has(key);
  }

  keys(): Iterable<K> {
    return this.#sets.keys();
  }
}

const EMPTY: ReadonlySet<never> = new Set();
