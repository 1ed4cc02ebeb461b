/**
 * Sets of field paths as `managedFields` keeps them (FieldsV1). In: values with their schema, or FieldsV1 JSON; out:
 * trees with union, difference and intersection. The core of server-side apply. Pure; trees are never changed after
 * they were returned.
 */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';

/** One node: is the path itself a member, and what lies under it. */
export interface FieldNode {
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldNode>;
}

const noChildren: ReadonlyMap<string, FieldNode> = new Map();

/** A set without paths. */
export const emptySet: FieldNode = { member: false, children: noChildren };
/** Just this path. */
export const leaf: FieldNode = { member: true, children: noChildren };

/** True when the set holds no path. */
export const isEmpty = (node: FieldNode): boolean => !node.member && node.children.size === 0;

/** FieldsV1 JSON -> set. Unknown forms are ignored. */
export function parseFieldSet(json: unknown): FieldNode {
  if (!isObject(json)) return emptySet;
  const children = new Map<string, FieldNode>();
  for (const [key, value] of Object.entries(json)) {
    if (key === '.') continue;
    if (isObject(value) && Object.keys(value).length === 0) children.set(key, leaf);
    else children.set(key, parseFieldSet(value));
  }
  return { member: '.' in json, children };
}

/** Set -> FieldsV1 JSON, keys in order. */
export function formatFieldSet(node: FieldNode): JsonObject {
  const json: JsonObject = {};
  if (node.member && node.children.size > 0) json['.'] = {};
  for (const key of [...node.children.keys()].toSorted()) {
    const child = node.children.get(key);
    if (child !== undefined) json[key] = child.children.size === 0 ? {} : formatFieldSet(child);
  }
  return json;
}

/** Paths in either set. */
export function union(a: FieldNode, b: FieldNode): FieldNode {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const children = new Map(a.children);
  for (const [key, child] of b.children) {
    const other = children.get(key);
    children.set(key, other === undefined ? child : union(other, child));
  }
  return { member: a.member || b.member, children };
}

/** Paths of the first set that are not in the second. */
export function difference(a: FieldNode, b: FieldNode): FieldNode {
  if (isEmpty(b)) return a;
  const children = new Map<string, FieldNode>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    const rest = other === undefined ? child : difference(child, other);
    if (!isEmpty(rest)) children.set(key, rest);
  }
  return { member: a.member && !b.member, children };
}

/** Like difference, but a member of the second set takes everything under it away too. */
export function differenceBelow(a: FieldNode, b: FieldNode): FieldNode {
  const children = new Map<string, FieldNode>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    if (other?.member === true) continue;
    const rest = other === undefined ? child : differenceBelow(child, other);
    if (!isEmpty(rest)) children.set(key, rest);
  }
  return { member: a.member && !b.member, children };
}

/** Paths in both sets. */
export function intersection(a: FieldNode, b: FieldNode): FieldNode {
  const children = new Map<string, FieldNode>();
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    if (other === undefined) continue;
    const both = intersection(child, other);
    if (!isEmpty(both)) children.set(key, both);
  }
  return { member: a.member && b.member, children };
}

/** True when both sets hold the same paths. */
export function equalSets(a: FieldNode, b: FieldNode): boolean {
  if (a.member !== b.member || a.children.size !== b.children.size) return false;
  for (const [key, child] of a.children) {
    const other = b.children.get(key);
    if (other === undefined || !equalSets(child, other)) return false;
  }
  return true;
}

/** Every member path, as lists of elements: all paths of a level before those below it. */
export function* pathsOf(node: FieldNode, prefix: readonly string[] = []): Generator<readonly string[]> {
  const keys = [...node.children.keys()].toSorted();
  for (const key of keys) if (node.children.get(key)?.member === true) yield [...prefix, key];
  for (const key of keys) {
    const child = node.children.get(key);
    if (child !== undefined) yield* pathsOf(child, [...prefix, key]);
  }
}

/** `.spec.items[name="x"].value`, as conflicts name a path. */
export function formatPath(path: readonly string[]): string {
  return path
    .map((element) => {
      const body = element.slice(2);
      if (element.startsWith('f:')) return `.${body}`;
      if (element.startsWith('v:')) return `[=${body}]`;
      if (element.startsWith('i:')) return `[${body}]`;
      const key = JSON.parse(body) as JsonObject;
      return `[${Object.entries(key)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    })
    .join('');
}

/** The path element of a list element: by key, by value, or by place. */
export function elementOf(schema: Schema, item: unknown, index: number): string {
  if (schema.list === 'set') return `v:${JSON.stringify(item)}`;
  if (schema.list !== 'map') return `i:${index}`;
  const key: JsonObject = {};
  const keys = schema.listKeys ?? [];
  for (const name of keys.toSorted()) {
    const value = isObject(item) ? (item[name] ?? schema.keyDefaults?.[name]) : undefined;
    if (value !== undefined) key[name] = value;
  }
  return `k:${JSON.stringify(key)}`;
}

/** True when the value is owned as a whole under this schema. */
export function isWhole(schema: Schema | undefined, value: unknown): boolean {
  if (Array.isArray(value)) return schema?.type !== 'array' || schema.list === 'atomic' || schema.list === undefined;
  if (!isObject(value)) return true;
  // Undeclared objects of open kinds are still owned field by field.
  return schema?.atomic === true;
}

/** The paths a value sets. Containers are members only when empty; keyed elements always are. */
export function fieldSetOf(schema: Schema | undefined, value: unknown): FieldNode {
  if (isWhole(schema, value)) return leaf;
  if (Array.isArray(value)) {
    if (value.length === 0 || schema === undefined) return leaf;
    const children = new Map<string, FieldNode>();
    for (const [index, item] of value.entries()) {
      const below = schema.list === 'set' ? leaf : fieldSetOf(itemSchema(schema), item);
      children.set(elementOf(schema, item, index), { member: true, children: below.children });
    }
    return { member: false, children };
  }
  const object = value as JsonObject;
  const keys = Object.keys(object);
  if (keys.length === 0) return leaf;
  const children = new Map<string, FieldNode>();
  for (const key of keys) children.set(`f:${key}`, fieldSetOf(fieldSchema(schema, key), object[key]));
  return { member: false, children };
}
