// Waypoint resources with their makers and their viewers. Several units may make the same resource; it lives as long as one of
// them does. Written by model.ts only.
import type { ConfigResource, Need } from '../translate/waypoint-config/config-resource.ts';
import { MultiMap } from './multi-map.ts';

/** Changed names by type URL. Visibility counts as a change. */
export type ConfigChanges = Map<string, Set<string>>;

/** All waypoint resources and who may see which. */
export class ConfigTable {
  readonly #makers = new Map<string, Map<string, ConfigResource>>();
  readonly #needs = new Map<string, Map<string, number>>();
  readonly #names = new MultiMap<string, string>();

  /** One resource, whoever made it. */
  get(typeUrl: string, name: string): ConfigResource | undefined {
    return this.#makers.get(`${typeUrl} ${name}`)?.values().next().value;
  }

  /** Names of all resources of a type. */
  names(typeUrl: string): Iterable<string> {
    return this.#names.get(typeUrl);
  }

  /** True when the waypoint `<namespace>/<name>` may see the resource. */
  isVisible(waypoint: string, typeUrl: string, name: string): boolean {
    return this.#needs.get(waypoint)?.has(`${typeUrl} ${name}`) === true;
  }

  /** Replaces what one unit makes. */
  replace(
    unit: string,
    before: readonly ConfigResource[],
    after: readonly ConfigResource[],
    changes: ConfigChanges,
  ): void {
    const kept = new Set(after.map((r) => `${r.typeUrl} ${r.name}`));
    for (const old of before) {
      const key = `${old.typeUrl} ${old.name}`;
      if (kept.has(key)) continue;
      const makers = this.#makers.get(key);
      makers?.delete(unit);
      if (makers?.size !== 0) continue;
      this.#makers.delete(key);
      this.#names.remove(old.typeUrl, old.name);
      note(changes, old.typeUrl, old.name);
    }
    for (const resource of after) {
      const key = `${resource.typeUrl} ${resource.name}`;
      const known = this.get(resource.typeUrl, resource.name);
      let makers = this.#makers.get(key);
      if (makers === undefined) this.#makers.set(key, (makers = new Map()));
      if (known?.version !== resource.version) {
        // Another maker's copy is older than the input that this unit has just read.
        for (const other of makers.keys()) makers.set(other, resource);
        note(changes, resource.typeUrl, resource.name);
      }
      makers.set(unit, resource);
      this.#names.add(resource.typeUrl, resource.name);
    }
  }

  /** Replaces what one unit lets waypoints see. */
  replaceNeeds(before: readonly Need[], after: readonly Need[], changes: ConfigChanges): void {
    for (const [waypoint, typeUrl, name] of after) this.#count(waypoint, typeUrl, name, 1, changes);
    for (const [waypoint, typeUrl, name] of before) this.#count(waypoint, typeUrl, name, -1, changes);
  }

  #count(waypoint: string, typeUrl: string, name: string, step: 1 | -1, changes: ConfigChanges): void {
    let counts = this.#needs.get(waypoint);
    if (counts === undefined) this.#needs.set(waypoint, (counts = new Map()));
    const key = `${typeUrl} ${name}`;
    const count = (counts.get(key) ?? 0) + step;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
    if (counts.size === 0) this.#needs.delete(waypoint);
    if (count === 0 || (step === 1 && count === 1)) note(changes, typeUrl, name);
  }
}

function note(changes: ConfigChanges, typeUrl: string, name: string): void {
  const names = changes.get(typeUrl);
  if (names === undefined) changes.set(typeUrl, new Set([name]));
  else names.add(name);
}
