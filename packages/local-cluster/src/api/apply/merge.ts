/**
 * Merging an applied configuration into the live object, and taking away what a manager gave up. In: values and
 * schema; out: new values. Called by server-side apply. Pure.
 */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';
import { elementOf, isEmpty, isWhole } from './field-set.ts';
import type { FieldNode } from './field-set.ts';

function mergeLists(schema: Schema, live: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const items = itemSchema(schema);
  const wanted = new Map(applied.map((item, index) => [elementOf(schema, item, index), item] as const));
  const order = [...wanted.keys()];
  const merged: unknown[] = [];
  const done = new Set<string>();
  // Live elements keep their places; applied ones that are new follow the applied element before them.
  const flushUntil = (stop: string | undefined): void => {
    for (const key of order) {
      if (key === stop) return;
      if (done.has(key) || liveKeys.has(key)) continue;
      done.add(key);
      merged.push(wanted.get(key));
    }
  };
  const liveKeys = new Map(live.map((item, index) => [elementOf(schema, item, index), item] as const));
  for (const [key, item] of liveKeys) {
    if (wanted.has(key)) flushUntil(key);
    merged.push(wanted.has(key) && schema.list === 'map' ? merge(items, item, wanted.get(key)) : item);
    done.add(key);
  }
  flushUntil(undefined);
  return merged;
}

/** The live value with the applied one laid over it. */
export function merge(schema: Schema | undefined, live: unknown, applied: unknown): unknown {
  if (live === undefined || applied === null || isWhole(schema, applied) || isWhole(schema, live)) return applied;
  if (Array.isArray(live) && Array.isArray(applied) && schema !== undefined) return mergeLists(schema, live, applied);
  if (!isObject(live) || !isObject(applied)) return applied;
  const merged: JsonObject = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    merged[key] = merge(fieldSchema(schema, key), live[key], value);
  }
  return merged;
}

/**
 * Takes away what the manager owned before (`last`) and nobody owns now (`owned`). Owned here means the path itself or
 * anything under it.
 */
export function removeGivenUp(
  schema: Schema | undefined,
  value: unknown,
  last: FieldNode,
  owned: FieldNode | undefined,
): unknown {
  if (last.children.size === 0 || isWhole(schema, value)) return value;
  if (Array.isArray(value) && schema !== undefined) {
    const items = itemSchema(schema);
    const kept: unknown[] = [];
    for (const [index, item] of value.entries()) {
      const key = elementOf(schema, item, index);
      const before = last.children.get(key);
      const now = owned?.children.get(key);
      if (before === undefined) kept.push(item);
      else if (now !== undefined && !isEmpty(now)) kept.push(removeGivenUp(items, item, before, now));
    }
    return kept;
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const before = last.children.get(`f:${key}`);
    const now = owned?.children.get(`f:${key}`);
    if (before === undefined) result[key] = item;
    else if (now !== undefined && !isEmpty(now))
      result[key] = removeGivenUp(fieldSchema(schema, key), item, before, now);
  }
  return result;
}
