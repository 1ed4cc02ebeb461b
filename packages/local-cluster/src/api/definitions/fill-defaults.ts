/**
 * Defaults of custom kinds, and nulls: a null where none is allowed takes the default or is dropped. In: value and
 * OpenAPI schema; out: filled copy. Pure.
 */

import { copyJson, isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

function fillObject(value: JsonObject, schema: JsonObject): JsonObject {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const additional = schema['additionalProperties'];
  const result: JsonObject = { ...value };
  for (const [key, item] of Object.entries(value)) {
    const field = properties[key] ?? additional;
    if (item === null && isObject(field) && field['nullable'] !== true && key in properties) delete result[key];
    else if (isObject(field)) result[key] = fillValue(item, field);
  }
  for (const [key, field] of Object.entries(properties)) {
    if (result[key] === undefined && isObject(field) && field['default'] !== undefined) {
      result[key] = fillValue(copyJson(field['default']), field);
    }
  }
  return result;
}

function fillValue(value: unknown, schema: JsonObject): unknown {
  if (isObject(value)) return fillObject(value, schema);
  const { items } = schema;
  return Array.isArray(value) && isObject(items) ? value.map((item) => fillValue(item, items)) : value;
}

/** The object with defaults; apiVersion, kind and metadata are left alone. */
export function fillDefaults(object: JsonObject, openApi: JsonObject | undefined): JsonObject {
  if (openApi === undefined) return object;
  const { metadata } = object;
  const filled = fillObject(object, openApi);
  return metadata === undefined ? filled : { ...filled, metadata };
}
