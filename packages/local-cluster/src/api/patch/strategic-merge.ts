/**
 * Strategic merge patch for builtin kinds (spec/local-cluster.md 5). In: live object, patch with directives, schema
 * with merge keys; out: a new object. Called by PATCH with `application/strategic-merge-patch+json`. Pure.
 */

import { equalJson, isObject, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';
import { goMap } from './go-map.ts';
import { statusError } from '../status.ts';

const directive = '$patch';
const retainKeys = '$retainKeys';
const orderPrefix = '$setElementOrder/';
const deletePrefix = '$deleteFromPrimitiveList/';

const failed = (message: string): Error => statusError(500, undefined, message);

const isDirective = (key: string): boolean =>
  key === directive || key === retainKeys || key.startsWith(orderPrefix) || key.startsWith(deletePrefix);

/** A value that is new: directives inside it have nothing to act on. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isObject(item) && directive in item)).map(withoutDirectives);
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (!isDirective(key) && item !== null) result[key] = withoutDirectives(item);
  }
  return result;
}

function keyOfItem(item: unknown, key: string): unknown {
  if (!isObject(item) || item[key] === undefined) {
    throw failed(`map: ${goMap(item)} does not contain declared merge key: ${key}`);
  }
  return item[key];
}

function orderBy<T>(items: readonly T[], order: readonly unknown[], same: (item: T, wanted: unknown) => boolean): T[] {
  const place = (item: T): number => order.findIndex((wanted) => same(item, wanted));
  const listed = items.filter((item) => place(item) !== -1).toSorted((a, b) => place(a) - place(b));
  // Elements the order does not name keep their place relative to the live elements before them.
  const result: T[] = [...listed];
  for (const [index, item] of items.entries()) {
    if (place(item) !== -1) continue;
    const before = items.slice(0, index).findLast((other) => result.includes(other));
    result.splice(before === undefined ? 0 : result.indexOf(before) + 1, 0, item);
  }
  return result;
}

function mergeKeyed(
  schema: Schema,
  key: string,
  live: readonly unknown[],
  patch: readonly unknown[],
  order: unknown,
): unknown[] {
  const items = itemSchema(schema);
  const replaces = patch.some((item) => isObject(item) && item[directive] === 'replace');
  const changes = patch.filter((item) => !(isObject(item) && item[directive] === 'replace'));
  let result: unknown[] = replaces ? [] : [...live];
  const added: unknown[] = [];
  for (const change of changes) {
    const value = keyOfItem(change, key);
    const index = result.findIndex((item) => isObject(item) && equalJson(item[key], value));
    const kind = isObject(change) ? change[directive] : undefined;
    if (kind === 'delete') result = result.filter((item) => !(isObject(item) && equalJson(item[key], value)));
    else if (kind !== undefined && kind !== 'merge')
      throw failed(`unknown patch type: ${shown(kind)} in map: ${goMap(change)}`);
    else if (index === -1) added.push(withoutDirectives(change));
    else result[index] = mergeObjects(items, result[index] as JsonObject, change as JsonObject);
  }
  if (Array.isArray(order)) {
    return orderBy(
      [...result, ...added],
      order,
      (item, wanted) => isObject(item) && isObject(wanted) && equalJson(item[key], wanted[key]),
    );
  }
  return replaces ? [...result, ...added] : placeNew(result, added, changes, key);
}

/** Without an order list the patch's elements come first in its order, when any of them is new. */
function placeNew(
  result: readonly unknown[],
  added: readonly unknown[],
  changes: readonly unknown[],
  key: string,
): unknown[] {
  if (added.length === 0) return [...result];
  // Elements after a known one of the patch go behind it; others go first.
  const merged: unknown[] = [...result];
  const same = (a: unknown, b: unknown): boolean => isObject(a) && isObject(b) && equalJson(a[key], b[key]);
  for (const item of added) {
    const place = changes.findIndex((change) => same(change, item));
    const before = changes.slice(0, place).findLast((change) => merged.some((other) => same(other, change)));
    const index = before === undefined ? 0 : merged.findIndex((other) => same(other, before)) + 1;
    merged.splice(index, 0, item);
  }
  return merged;
}

function mergePrimitives(live: readonly unknown[], patch: readonly unknown[], order: unknown): unknown[] {
  const result = [...live];
  for (const item of patch) if (!result.some((other) => equalJson(other, item))) result.push(item);
  return Array.isArray(order) ? orderBy(result, order, equalJson) : result;
}

function mergeList(schema: Schema | undefined, live: unknown, patch: readonly unknown[], order: unknown): unknown {
  const merges = schema?.patchStrategy?.has('merge') === true;
  if (!merges || schema === undefined) return withoutDirectives(patch);
  const before = Array.isArray(live) ? live : [];
  return schema.patchKey === undefined
    ? mergePrimitives(before, patch, order)
    : mergeKeyed(schema, schema.patchKey, before, patch, order);
}

function applyDirectives(result: JsonObject, schema: Schema | undefined, patch: JsonObject): void {
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deletePrefix) && Array.isArray(value)) {
      const name = key.slice(deletePrefix.length);
      const list = result[name];
      if (!Array.isArray(list)) continue;
      const kept = list.filter((item) => !value.some((gone) => equalJson(gone, item)));
      if (kept.length === 0) delete result[name];
      else result[name] = kept;
    } else if (key.startsWith(orderPrefix) && Array.isArray(value)) {
      const name = key.slice(orderPrefix.length);
      if (patch[name] === undefined && Array.isArray(result[name])) {
        result[name] = mergeList(fieldSchema(schema, name), result[name], [], value);
      }
    }
  }
}

function keepOnly(result: JsonObject, patch: JsonObject): void {
  const names = patch[retainKeys];
  if (!Array.isArray(names)) return;
  for (const key of Object.keys(result)) if (!names.includes(key)) delete result[key];
}

/** The live object with the patch merged in; neither is changed. */
export function mergeObjects(schema: Schema | undefined, live: JsonObject, patch: JsonObject): JsonObject {
  const kind = patch[directive];
  if (kind === 'replace') return withoutDirectives({ ...patch, [directive]: undefined }) as JsonObject;
  if (kind === 'delete') return {};
  if (kind !== undefined && kind !== 'merge')
    throw failed(`unknown patch type: ${shown(kind)} in map: ${goMap(patch)}`);
  const result: JsonObject = { ...live };
  keepOnly(result, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key)) continue;
    const field = fieldSchema(schema, key);
    if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(field, live[key], value, patch[`${orderPrefix}${key}`]);
    else if (isObject(value)) {
      const before = live[key];
      const wholly = field?.patchStrategy?.has('replace') === true;
      result[key] = isObject(before) && !wholly ? mergeObjects(field, before, value) : mergeObjects(field, {}, value);
    } else result[key] = value;
  }
  applyDirectives(result, schema, patch);
  return result;
}
