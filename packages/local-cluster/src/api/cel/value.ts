/** JSON -> what CEL sees, by the schema where there is one (spec/local-cluster.md 6). Pure. */

import { celList, celMap } from '@bufbuild/cel';
import type { CelInput } from '@bufbuild/cel';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { parseDuration } from './lists.ts';

const reserved = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return var void ' +
    'while'
  ).split(' '),
);
const replacements: Readonly<Record<string, string>> = { '.': '__dot__', '-': '__dash__', '/': '__slash__' };

/** The name of a declared property in expressions: `__dash__` for `-`, words of the language between `__`. */
export function escapeName(name: string): string {
  if (reserved.has(name)) return `__${name}__`;
  return Array.from(name.replaceAll('__', '__underscores__'))
    .map((char) => replacements[char] ?? char)
    .join('');
}

function textValue(value: string, schema: JsonObject | undefined): CelInput {
  const format = schema?.['format'];
  if (format === 'date-time' || format === 'date') {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? value : timestampFromMs(ms);
  }
  if (format === 'duration') return parseDuration(value) ?? value;
  if (format === 'byte') return new Uint8Array(Buffer.from(value, 'base64'));
  return value;
}

function objectValue(value: JsonObject, schema: JsonObject | undefined): CelInput {
  const properties = isObject(schema?.['properties']) ? schema['properties'] : {};
  const additional = isObject(schema?.['additionalProperties']) ? schema['additionalProperties'] : undefined;
  const result = new Map<string, CelInput>();
  for (const [key, item] of Object.entries(value)) {
    // An absent field and a null one look the same.
    if (item === null || item === undefined) continue;
    const field = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (isObject(field)) result.set(escapeName(key), toCelInput(item, field));
    else result.set(key, toCelInput(item, additional));
  }
  return celMap(result);
}

/** Whole numbers are integers unless the schema says `number`; fields that are null are left out. */
export function toCelInput(value: unknown, schema?: JsonObject): CelInput {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && schema?.['type'] !== 'number' ? BigInt(value) : value;
  }
  if (typeof value === 'string') return textValue(value, schema);
  if (Array.isArray(value)) {
    const items = isObject(schema?.['items']) ? schema['items'] : undefined;
    return celList(value.map((item) => toCelInput(item, items)));
  }
  if (isObject(value)) return objectValue(value, schema);
  return typeof value === 'boolean' ? value : null;
}
