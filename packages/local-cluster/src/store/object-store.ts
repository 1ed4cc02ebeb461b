/**
 * All objects in memory over the database: one revision counter for all kinds, a log for watches, listeners per
 * resource (spec/local-cluster.md 4). In: finished objects; out: stored objects with their resourceVersion, and changes
 * to listeners, in order, synchronously. Called by the read and write paths. Main thread.
 */

import type { Database, Change, ChangeType } from './database.ts';
import { compareKeys, keyOf } from './object-key.ts';
import type { KubeObject } from './kube-object.ts';

/** Called for every change of a resource, inside the write: keep it short, never write from it. */
export type ChangeListener = (change: Change) => void;

/** Default number of log lines kept whatever their age. */
const keptChanges = 10_000;
/** Log lines younger than this are kept. */
const keptMs = 5 * 60_000;

interface Collection {
  readonly objects: Map<string, KubeObject>;
  /** Keys in order; undefined after a change of the set. */
  order: string[] | undefined;
  readonly listeners: Set<ChangeListener>;
}

const jsonTexts = new WeakMap<KubeObject, string>();

/** The JSON text of a stored object; kept as long as the object. */
export function jsonText(object: KubeObject): string {
  let text = jsonTexts.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    jsonTexts.set(object, text);
  }
  return text;
}

/** The store. Owns the database; `close()` ends both. */
export class ObjectStore {
  readonly #database: Database;
  readonly #collections = new Map<string, Collection>();
  #log: (Change & { readonly atMs: number })[] = [];
  #revision: number;
  #compacted: number;
  readonly #now: () => number;

  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
    this.#revision = database.revision();
    this.#compacted = database.compactedRevision();
    for (const row of database.objects()) this.#collection(row.resource).objects.set(keyOf(row.object), row.object);
    const atMs = now();
    for (const change of database.changes()) this.#log.push({ ...change, atMs });
  }

  /** The revision of the newest write. */
  get revision(): number {
    return this.#revision;
  }

  /** Changes up to this revision are forgotten. */
  get compactedRevision(): number {
    return this.#compacted;
  }

  #collection(resource: string): Collection {
    let found = this.#collections.get(resource);
    if (found === undefined) {
      found = { objects: new Map(), order: undefined, listeners: new Set() };
      this.#collections.set(resource, found);
    }
    return found;
  }

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#collections.get(resource)?.objects.get(`${namespace}/${name}`);
  }

  /** Objects of one namespace (undefined = all), by namespace and name bytewise. */
  list(resource: string, namespace?: string): KubeObject[] {
    const collection = this.#collections.get(resource);
    if (collection === undefined) return [];
    collection.order ??= [...collection.objects.keys()].toSorted(compareKeys);
    const prefix = namespace === undefined ? undefined : `${namespace}/`;
    const found: KubeObject[] = [];
    for (const key of collection.order) {
      if (prefix !== undefined && !key.startsWith(prefix)) continue;
      const object = collection.objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Number of objects of a resource. */
  count(resource: string): number {
    return this.#collections.get(resource)?.objects.size ?? 0;
  }

  /**
   * The objects of a resource as they were at a revision, in order; undefined when the log no longer reaches back.
   */
  listAt(resource: string, revision: number, namespace?: string): KubeObject[] | undefined {
    if (revision >= this.#revision) return this.list(resource, namespace);
    if (revision < this.#compacted) return undefined;
    const state = new Map((this.#collections.get(resource)?.objects ?? new Map<string, KubeObject>()).entries());
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const change = this.#log[index];
      if (change === undefined || change.revision <= revision) break;
      if (change.resource !== resource) continue;
      if (change.previous === undefined) state.delete(keyOf(change.object));
      else state.set(keyOf(change.object), change.previous);
    }
    return [...state]
      .filter(([key]) => namespace === undefined || key.startsWith(`${namespace}/`))
      .toSorted(([a], [b]) => compareKeys(a, b))
      .map(([, object]) => object);
  }

  /** Changes of a resource after a revision; undefined when they are forgotten. */
  changesSince(resource: string, revision: number): readonly Change[] | undefined {
    if (revision < this.#compacted) return undefined;
    const found: Change[] = [];
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const change = this.#log[index];
      if (change === undefined || change.revision <= revision) break;
      if (change.resource === resource) found.push(change);
    }
    return found.reverse();
  }

  /** Adds a listener; dispose to remove it. */
  listen(resource: string, listener: ChangeListener): Disposable {
    const { listeners } = this.#collection(resource);
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  /** Stores a new or changed object and returns it with its new resourceVersion. The caller has checked everything. */
  put(resource: string, object: KubeObject): KubeObject {
    const previous = this.#collections.get(resource)?.objects.get(keyOf(object));
    return this.#write(resource, previous === undefined ? 'ADDED' : 'MODIFIED', object, previous);
  }

  /** Removes an object; `last` is its last state. Returns it with the revision of the deletion. */
  remove(resource: string, last: KubeObject): KubeObject {
    const previous = this.#collections.get(resource)?.objects.get(keyOf(last));
    return this.#write(resource, 'DELETED', last, previous ?? last);
  }

  #write(resource: string, type: ChangeType, object: KubeObject, previous: KubeObject | undefined): KubeObject {
    const revision = this.#revision + 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const change: Change = { revision, resource, type, object: stored, previous };
    this.#database.write(change, jsonText(stored), previous === undefined ? undefined : jsonText(previous));
    this.#revision = revision;
    const collection = this.#collection(resource);
    const key = keyOf(stored);
    if (type === 'DELETED') collection.objects.delete(key);
    else collection.objects.set(key, stored);
    if (type !== 'MODIFIED') collection.order = undefined;
    this.#log.push({ ...change, atMs: this.#now() });
    if (this.#log.length > keptChanges * 2) this.#trim();
    for (const listener of collection.listeners) listener(change);
    return stored;
  }

  /** Forgets changes that are both older than five minutes and beyond the newest ten thousand. */
  #trim(): void {
    const oldest = this.#now() - keptMs;
    const limit = this.#log.length - keptChanges;
    let drop = 0;
    while (drop < limit && (this.#log[drop]?.atMs ?? oldest) < oldest) drop++;
    const last = this.#log[drop - 1];
    if (last !== undefined) this.compact(last.revision);
  }

  /** Forgets every change up to and including a revision. */
  compact(upTo: number): void {
    this.#compacted = Math.max(this.#compacted, Math.min(upTo, this.#revision));
    this.#log = this.#log.filter((change) => change.revision > this.#compacted);
    this.#database.compact(this.#compacted, this.#revision);
  }

  /** Closes the database. Idempotent. */
  close(): void {
    this.#database.close();
  }
}
