/**
 * Everything that is served now: builtin resources and those of established definitions. In: definitions (from the
 * definition controller); out: look-ups by path, by kind and by name, and a generation that discovery uses for its
 * ETag. Main thread.
 */

import { isDigits } from '../characters.ts';
import { builtinResources } from './builtin.ts';
import type { Resource } from './resource.ts';

const pathKey = (group: string, version: string, resource: string): string => `${group}/${version}/${resource}`;

/** Order of versions in discovery: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name. */
export function compareVersions(a: string, b: string): number {
  const rankA = rankOf(a);
  const rankB = rankOf(b);
  for (let index = 0; index < rankA.length; index++) {
    const difference = (rankB[index] ?? 0) - (rankA[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(version: string): readonly number[] {
  const stage = version.includes('beta') ? 'beta' : version.includes('alpha') ? 'alpha' : undefined;
  const [major = '', minor = '0', ...more] = stage === undefined ? [version.slice(1)] : version.slice(1).split(stage);
  const isRanked = version.startsWith('v') && isDigits(major, 9) && isDigits(minor, 9) && more.length === 0;
  if (!isRanked) return [0, 0, 0];
  return [stage === undefined ? 3 : stage === 'beta' ? 2 : 1, Number(major), Number(minor)];
}

/** The registry. One per API server. */
export class Registry {
  readonly #byPath = new Map<string, Resource>();
  readonly #custom = new Map<string, readonly Resource[]>();
  readonly #listeners = new Set<() => void>();
  /** Rises with every change of what is served. */
  generation = 1;

  constructor() {
    for (const resource of builtinResources)
      this.#byPath.set(pathKey(resource.group, resource.version, resource.resource), resource);
  }

  /** The resource of a request path. */
  byPath(group: string, version: string, resource: string): Resource | undefined {
    return this.#byPath.get(pathKey(group, version, resource));
  }

  /** All served resources. */
  all(): Iterable<Resource> {
    return this.#byPath.values();
  }

  /** Versions of a group that serve something, best first; empty for an unknown group. */
  versionsOf(group: string): readonly string[] {
    const versions = new Set<string>();
    for (const resource of this.#byPath.values()) if (resource.group === group) versions.add(resource.version);
    return [...versions].toSorted(compareVersions);
  }

  /** Resources of one group and version. */
  inVersion(group: string, version: string): Resource[] {
    return [...this.#byPath.values()].filter((resource) => resource.group === group && resource.version === version);
  }

  /** Group names: builtin first in table order, then custom ones by name. */
  groups(): readonly string[] {
    const builtin = new Set<string>();
    const custom = new Set<string>();
    for (const resource of this.#byPath.values()) if (resource.custom === undefined) builtin.add(resource.group);
    for (const resource of this.#byPath.values()) if (!builtin.has(resource.group)) custom.add(resource.group);
    return [...builtin, ...[...custom].toSorted()];
  }

  /** True for groups of the builtin table; their unknown paths get a Status, others plain text. */
  isBuiltinGroup(group: string): boolean {
    return builtinResources.some((resource) => resource.group === group);
  }

  /** The resource of a plural name with group (`pods`, `deployments.apps`), in its storage version. */
  byName(name: string): Resource | undefined {
    const cut = name.indexOf('.');
    const resource = cut === -1 ? name : name.slice(0, cut);
    const group = cut === -1 ? '' : name.slice(cut + 1);
    let best: Resource | undefined;
    for (const candidate of this.#byPath.values()) {
      if (candidate.group !== group || candidate.resource !== resource) continue;
      if (candidate.apiVersion === candidate.storageVersion) return candidate;
      best ??= candidate;
    }
    return best;
  }

  /** The resource of a kind in a version. */
  byKind(apiVersion: string, kind: string): Resource | undefined {
    for (const resource of this.#byPath.values()) {
      if (resource.apiVersion === apiVersion && resource.kind === kind) return resource;
    }
    return undefined;
  }

  /** Replaces what a definition serves; an empty list removes it. */
  setCustom(definitionName: string, resources: readonly Resource[]): void {
    for (const old of this.#custom.get(definitionName) ?? []) {
      this.#byPath.delete(pathKey(old.group, old.version, old.resource));
    }
    if (resources.length === 0) this.#custom.delete(definitionName);
    else this.#custom.set(definitionName, resources);
    for (const resource of resources)
      this.#byPath.set(pathKey(resource.group, resource.version, resource.resource), resource);
    this.generation++;
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after every change of what is served. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
