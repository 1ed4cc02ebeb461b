/**
 * The predecessor of a part of a custom object: the same field, or the element with the same keys. In: a part, its
 * schema, the predecessor of the whole; out: the predecessor of the part. Called by validation and by rules. Pure.
 */

import { equalJson, isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';

/** A predecessor; undefined when there is none, or when parts of this kind do not correlate. */
export type OldValue = { readonly value: unknown } | undefined;

/** The same field of the object before; fields of atomic maps stand for themselves only as a whole. */
export function oldField(key: string, schema: JsonObject, old: unknown): OldValue {
  if (schema['x-kubernetes-map-type'] === 'atomic') return undefined;
  if (!isObject(old) || !Object.hasOwn(old, key) || old[key] === null) return undefined;
  return { value: old[key] };
}

/** Only elements of keyed lists have a predecessor: the one with the same keys. */
export function oldElement(item: unknown, schema: JsonObject, old: unknown): OldValue {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old) || !isObject(item)) return undefined;
  const keys = listAt(schema, 'x-kubernetes-list-map-keys').filter((key) => typeof key === 'string');
  const found: unknown = old.find((other) => isObject(other) && keys.every((key) => equalJson(other[key], item[key])));
  return found === undefined ? undefined : { value: found };
}
