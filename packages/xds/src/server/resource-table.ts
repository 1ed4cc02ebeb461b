// In: set and remove calls. Out: a ResourceSource over a plain map. For small types and for tests; big ones have indices of their own.
import { createHash } from 'node:crypto';
import type { ResourceSource, XdsResource } from './resource-source.ts';

/** A resource to put into a table; without a version it is a hash of the bytes. */
export type TableEntry = Omit<XdsResource, 'version'> & { readonly version?: string };

/** A source that its owner edits. */
export interface ResourceTable extends ResourceSource {
  readonly size: number;
  /** Adds or replaces; says nothing to clients when the version is the same. */
  set(entry: TableEntry): void;
  /** Removes; false when there was nothing. */
  delete(name: string): boolean;
  /** Sets the whole content: what is not listed is removed. */
  replaceAll(entries: Iterable<TableEntry>): void;
}

/** Options of {@link createResourceTable}: everything optional of a source. */
export type ResourceTableOptions = Partial<Omit<ResourceSource, 'typeUrl' | 'names' | 'get' | 'subscribe'>>;

/** Makes an empty table. A key that is an alias of resources finds them, unless `lookup` is given. */
export function createResourceTable(typeUrl: string, options: ResourceTableOptions = {}): ResourceTable {
  const resources = new Map<string, XdsResource>();
  const byAlias = new Map<string, Set<string>>();
  const listeners = new Set<(names: Iterable<string> | 'all') => void>();
  const announce = (names: readonly string[]): void => {
    if (names.length > 0) for (const listener of listeners) listener(names);
  };
  const unindex = (resource: XdsResource | undefined): void => {
    for (const alias of resource?.aliases ?? []) {
      const names = byAlias.get(alias);
      names?.delete(resource?.name ?? '');
      if (names?.size === 0) byAlias.delete(alias);
    }
  };
  const put = (entry: TableEntry): boolean => {
    const version = entry.version ?? createHash('sha256').update(entry.bytes).digest('hex').slice(0, 16);
    const old = resources.get(entry.name);
    if (old?.version === version && version !== '') return false;
    unindex(old);
    const resource: XdsResource = { ...entry, version };
    resources.set(entry.name, resource);
    for (const alias of resource.aliases ?? []) {
      const names = byAlias.get(alias);
      if (names === undefined) byAlias.set(alias, new Set([entry.name]));
      else names.add(entry.name);
    }
    return true;
  };
  const drop = (name: string): boolean => {
    unindex(resources.get(name));
    return resources.delete(name);
  };
  return {
    lookup: (key) => (resources.has(key) ? [key] : [...(byAlias.get(key) ?? [])]),
    ...options,
    typeUrl,
    get size() {
      return resources.size;
    },
    names: () => resources.keys(),
    get: (name) => resources.get(name),
    subscribe(onChange) {
      listeners.add(onChange);
      return { [Symbol.dispose]: () => void listeners.delete(onChange) };
    },
    set(entry) {
      if (put(entry)) announce([entry.name]);
    },
    delete(name) {
      const existed = drop(name);
      if (existed) announce([name]);
      return existed;
    },
    replaceAll(entries) {
      const gone = new Set(resources.keys());
      const changed: string[] = [];
      for (const entry of entries) {
        gone.delete(entry.name);
        if (put(entry)) changed.push(entry.name);
      }
      for (const name of gone) drop(name);
      announce([...changed, ...gone]);
    },
  };
}
