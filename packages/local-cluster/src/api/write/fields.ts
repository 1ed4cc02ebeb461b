/**
 * Field validation of a decoded body: unknown fields are dropped and reported, values of the wrong type refused. In:
 * object and resource; out: clean copy and report. Pure.
 */

import { prune } from '../definitions/prune.ts';
import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import { metadataSchema } from '../schema/from-descriptor.ts';
import type { Schema } from '../schema/schema.ts';
import { badRequest } from '../status.ts';
import { knownMetadata } from './metadata.ts';

/** A body without unknown fields, and their paths in the order of the API. */
export interface CleanObject {
  readonly object: JsonObject;
  readonly unknown: readonly string[];
}

class TypeMismatch extends Error {}

const goTypes: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'float64',
  boolean: 'bool',
  array: 'slice',
  object: 'struct',
};

const jsonType = (value: unknown): string =>
  Array.isArray(value) ? 'array' : isObject(value) ? 'object' : typeof value === 'boolean' ? 'bool' : typeof value;

const limits: Readonly<Record<string, number>> = { int32: 2 ** 31, int64: 2 ** 63 };

/** Whether the value is an integer that the format (default int32) can hold. */
function isIntegerOf(value: unknown, format = 'int32'): boolean {
  if (typeof value !== 'number' || !Number.isInteger(value)) return false;
  const limit = limits[format] ?? Number.POSITIVE_INFINITY;
  return value >= -limit && value < limit;
}

function mismatch(value: unknown, schema: Schema, path: string): never {
  const found = typeof value === 'number' && schema.type === 'integer' ? `number ${value}` : jsonType(value);
  const wanted = schema.type === 'integer' ? (schema.format ?? 'int32') : (goTypes[schema.type] ?? schema.type);
  throw new TypeMismatch(`json: cannot unmarshal ${found} into Go struct field .${path} of type ${wanted}`);
}

function cleanObjectValue(value: JsonObject, schema: Schema, path: string, unknown: string[]): JsonObject {
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const here = path === '' ? key : `${path}.${key}`;
    const field = fieldSchema(schema, key);
    if (field !== undefined) {
      if (item !== null) result[key] = cleanValue(item, field, here, unknown);
    } else if (schema.preserveUnknown === true) result[key] = item;
    else unknown.push(here);
  }
  return result;
}

function cleanValue(value: unknown, schema: Schema, path: string, unknown: string[]): unknown {
  switch (schema.type) {
    case 'object':
      return isObject(value) ? cleanObjectValue(value, schema, path, unknown) : mismatch(value, schema, path);
    case 'array': {
      if (!Array.isArray(value)) return mismatch(value, schema, path);
      const items = itemSchema(schema);
      return value.map((item, index) => (item === null ? item : cleanValue(item, items, `${path}[${index}]`, unknown)));
    }
    case 'string':
      return typeof value === 'string' ? value : mismatch(value, schema, path);
    case 'boolean':
      return typeof value === 'boolean' ? value : mismatch(value, schema, path);
    case 'integer':
      return isIntegerOf(value, schema.format) ? value : mismatch(value, schema, path);
    case 'number':
      return typeof value === 'number' ? value : mismatch(value, schema, path);
    case 'int-or-string':
      return typeof value === 'number' || typeof value === 'string' ? value : mismatch(value, schema, path);
    default:
      return value;
  }
}

function cleanCustom(object: JsonObject, resource: Resource): CleanObject {
  const sent = isObject(object['metadata']) ? object['metadata'] : {};
  const { metadata, unknown } = knownMetadata(sent);
  // Its own fields are the schema's matter; the metadata is typed as that of every kind.
  cleanObjectValue(metadata, metadataSchema, 'metadata', []);
  const pruned = prune({ ...object, metadata }, resource.custom?.openApi);
  return { object: pruned.object, unknown: [...unknown, ...pruned.unknown] };
}

/** Cleans a body; throws 400 when a value of a builtin kind, or of the metadata of any kind, has the wrong type. */
export function cleanObject(object: JsonObject, resource: Resource): CleanObject {
  const unknown: string[] = [];
  try {
    if (resource.custom !== undefined) return cleanCustom(object, resource);
    return { object: cleanObjectValue(object, resource.schema, '', unknown), unknown };
  } catch (error) {
    if (!(error instanceof TypeMismatch)) throw error;
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${error.message}`,
    );
  }
}
