/**
 * What changed between two states of an object, as field sets. In: two values and their schema; out: added, modified
 * and removed paths. Called for every write to find who owns what. Pure.
 */

import { equalJson, isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';
import { elementOf, emptySet, isEmpty, isWhole, leaf } from './field-set.ts';
import type { FieldNode } from './field-set.ts';

/** The three sets of a comparison. */
export interface Comparison {
  readonly added: FieldNode;
  readonly modified: FieldNode;
  readonly removed: FieldNode;
}

const unchanged: Comparison = { added: emptySet, modified: emptySet, removed: emptySet };

/** Every path of a value, containers included. */
function everyPath(schema: Schema | undefined, value: unknown): FieldNode {
  if (isWhole(schema, value)) return leaf;
  const children = new Map<string, FieldNode>();
  if (Array.isArray(value) && schema !== undefined) {
    for (const [index, item] of value.entries()) {
      children.set(elementOf(schema, item, index), schema.list === 'set' ? leaf : everyPath(itemSchema(schema), item));
    }
  } else {
    for (const [key, item] of Object.entries(value as JsonObject)) {
      children.set(`f:${key}`, everyPath(fieldSchema(schema, key), item));
    }
  }
  return { member: true, children };
}

interface Collected {
  readonly added: Map<string, FieldNode>;
  readonly modified: Map<string, FieldNode>;
  readonly removed: Map<string, FieldNode>;
}

function collect(into: Collected, key: string, result: Comparison): void {
  if (!isEmpty(result.added)) into.added.set(key, result.added);
  if (!isEmpty(result.modified)) into.modified.set(key, result.modified);
  if (!isEmpty(result.removed)) into.removed.set(key, result.removed);
}

const finish = (from: Collected): Comparison => ({
  added: { member: false, children: from.added },
  modified: { member: false, children: from.modified },
  removed: { member: false, children: from.removed },
});

function compareLists(schema: Schema, before: readonly unknown[], after: readonly unknown[]): Comparison {
  const items = itemSchema(schema);
  const old = new Map(before.map((item, index) => [elementOf(schema, item, index), item] as const));
  const result: Collected = { added: new Map(), modified: new Map(), removed: new Map() };
  for (const [index, item] of after.entries()) {
    const key = elementOf(schema, item, index);
    if (!old.has(key)) result.added.set(key, schema.list === 'set' ? leaf : everyPath(items, item));
    else if (schema.list !== 'set') collect(result, key, compare(items, old.get(key), item));
    old.delete(key);
  }
  for (const [key, item] of old) result.removed.set(key, schema.list === 'set' ? leaf : everyPath(items, item));
  return finish(result);
}

/** Compares two values; undefined means absent. */
export function compare(schema: Schema | undefined, before: unknown, after: unknown): Comparison {
  if (before === after) return unchanged;
  if (before === undefined) return { ...unchanged, added: everyPath(schema, after) };
  if (after === undefined) return { ...unchanged, removed: everyPath(schema, before) };
  if (isWhole(schema, before) || isWhole(schema, after) || Array.isArray(before) !== Array.isArray(after)) {
    return equalJson(before, after) ? unchanged : { ...unchanged, modified: leaf };
  }
  if (Array.isArray(before) && Array.isArray(after) && schema !== undefined) return compareLists(schema, before, after);
  if (!isObject(before) || !isObject(after)) return { ...unchanged, modified: leaf };
  const result: Collected = { added: new Map(), modified: new Map(), removed: new Map() };
  for (const key of Object.keys(after)) {
    collect(result, `f:${key}`, compare(fieldSchema(schema, key), before[key], after[key]));
  }
  for (const key of Object.keys(before)) {
    if (!(key in after)) result.removed.set(`f:${key}`, everyPath(fieldSchema(schema, key), before[key]));
  }
  return finish(result);
}
