// A map from one key to a set of values. Empty sets are dropped. Used by every index of the model. Most keys of most indices have one value
// (the address of a pod, the question about one object): it is kept without a set around it, which saves about 100 bytes per key.

/** Map of sets; the values are texts or objects that are no sets. */
export class MultiMap<K, V extends string | object> {
  readonly #values = new Map<K, V | Set<V>>();

  add(key: K, value: V): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, value);
    else if (known instanceof Set) known.add(value);
    else if (known !== value) this.#values.set(key, new Set([known, value]));
  }

  remove(key: K, value: V): void {
    const known = this.#values.get(key);
    const isLast = known instanceof Set ? known.delete(value) && known.size === 0 : known === value;
    if (isLast) this.#values.delete(key);
  }

  /** Values of a key; empty when there are none. The set may be live: do not change the map while iterating. */
  get(key: K): ReadonlySet<V> {
    const known = this.#values.get(key);
    if (known === undefined) return EMPTY;
    return known instanceof Set ? known : new Set([known]);
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<K> {
    return this.#values.keys();
  }
}

const EMPTY: ReadonlySet<never> = new Set();
