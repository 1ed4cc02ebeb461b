// A map of two layers: one that never changes below (memory that all threads share), and the changes since then above. In: the lower
// layer. Out: the same interface as sharded-map.ts. Called by build-snapshot.ts and shared-workloads.ts; pure, any thread.

import { editShardedMap, emptyShardedMap } from '../sharded-map.ts';
import type { ShardedMap, ShardedMapEditor } from '../sharded-map.ts';

/** A map that never changes, and whose values are made when they are asked for. */
export interface FrozenMap<V> {
  readonly size: number;
  get(key: string): V | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  /** All values, made for this walk only. */
  values(isWanted: (key: string) => boolean): IterableIterator<V>;
}

const gone = Symbol('gone');
type Changes<V> = ShardedMap<V | typeof gone>;

class Layers<V> implements ShardedMap<V> {
  readonly size: number;
  readonly base: FrozenMap<V>;
  readonly changes: Changes<V>;

  constructor(base: FrozenMap<V>, changes: Changes<V>, size: number) {
    this.base = base;
    this.changes = changes;
    this.size = size;
  }

  get(key: string): V | undefined {
    const changed = this.changes.get(key);
    if (changed === undefined) return this.base.get(key);
    return changed === gone ? undefined : changed;
  }

  has(key: string): boolean {
    const changed = this.changes.get(key);
    return changed === undefined ? this.base.has(key) : changed !== gone;
  }

  *values(): IterableIterator<V> {
    for (const value of this.changes.values()) if (value !== gone) yield value;
    yield* this.base.values((key) => !this.changes.has(key));
  }

  *keys(): IterableIterator<string> {
    for (const key of this.changes.keys()) if (this.changes.get(key) !== gone) yield key;
    for (const key of this.base.keys()) if (!this.changes.has(key)) yield key;
  }
}

class LayersEditor<V> implements ShardedMapEditor<V> {
  readonly #before: Layers<V>;
  readonly #changes: ShardedMapEditor<V | typeof gone>;
  #size: number;

  constructor(before: Layers<V>) {
    this.#before = before;
    this.#changes = editShardedMap(before.changes);
    this.#size = before.size;
  }

  get(key: string): V | undefined {
    const changed = this.#changes.get(key);
    if (changed === undefined) return this.#before.base.get(key);
    return changed === gone ? undefined : changed;
  }

  set(key: string, value: V): void {
    if (!this.#has(key)) this.#size += 1;
    this.#changes.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#has(key)) return false;
    this.#size -= 1;
    if (this.#before.base.has(key)) this.#changes.set(key, gone);
    else this.#changes.delete(key);
    return true;
  }

  commit(): ShardedMap<V> {
    const changes = this.#changes.commit();
    return changes === this.#before.changes ? this.#before : new Layers(this.#before.base, changes, this.#size);
  }

  #has(key: string): boolean {
    const changed = this.#changes.get(key);
    return changed === undefined ? this.#before.base.has(key) : changed !== gone;
  }
}

/** A map that holds what the lower layer holds. */
export function layeredMap<V>(base: FrozenMap<V>): ShardedMap<V> {
  return new Layers(base, emptyShardedMap<V | typeof gone>(), base.size);
}

/** Starts a batch of changes of a map of this file or of sharded-map.ts. */
export function editMap<V>(map: ShardedMap<V>): ShardedMapEditor<V> {
  return map instanceof Layers ? new LayersEditor(map as Layers<V>) : editShardedMap(map);
}

/** What was changed since the lower layer was made; all of it for a map without one. */
export function changesOf<V>(map: ShardedMap<V>): {
  readonly upsert: readonly V[];
  readonly remove: readonly string[];
} {
  if (!(map instanceof Layers)) return { upsert: [...map.values()], remove: [] };
  const { changes } = map as Layers<V>;
  const upsert: V[] = [];
  const remove: string[] = [];
  for (const key of changes.keys()) {
    const value = changes.get(key);
    if (value === gone) remove.push(key);
    else if (value !== undefined) upsert.push(value);
  }
  return { upsert, remove };
}

/** How many keys the upper layer holds; all of them for a map without a lower one. */
export function changeCount<V>(map: ShardedMap<V>): number {
  return map instanceof Layers ? (map as Layers<V>).changes.size : map.size;
}

/** Whether the upper layer says something about a key. */
export function isChanged<V>(map: ShardedMap<V>, key: string): boolean {
  return map instanceof Layers ? (map as Layers<V>).changes.has(key) : map.has(key);
}
