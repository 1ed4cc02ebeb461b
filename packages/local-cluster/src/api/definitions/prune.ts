/** Dropping fields a custom kind does not declare. In: value and OpenAPI schema; out: pruned copy and their paths. Pure. */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

interface Walk {
  readonly unknown: string[];
}

function pruneList(value: readonly unknown[], schema: JsonObject, path: string, walk: Walk): unknown[] {
  const { items } = schema;
  return isObject(items) ? value.map((item, index) => pruneValue(item, items, `${path}[${index}]`, walk)) : [...value];
}

function pruneValue(value: unknown, schema: JsonObject, path: string, walk: Walk): unknown {
  if (Array.isArray(value)) return pruneList(value, schema, path, walk);
  if (!isObject(value)) return value;
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const additional = schema['additionalProperties'];
  const preserve = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const embedded = schema['x-kubernetes-embedded-resource'] === true;
  const result: JsonObject = {};
  for (const key of Object.keys(value)) {
    const here = path === '' ? key : `${path}.${key}`;
    const field = properties[key];
    if (isObject(field)) result[key] = pruneValue(value[key], field, here, walk);
    else if (isObject(additional)) result[key] = pruneValue(value[key], additional, here, walk);
    else if (
      additional === true ||
      preserve ||
      (embedded && (key === 'apiVersion' || key === 'kind' || key === 'metadata'))
    ) {
      result[key] = value[key];
    } else walk.unknown.push(here);
  }
  return result;
}

/** The object without undeclared fields; `unknown` names them in order. apiVersion, kind and metadata are left alone. */
export function prune(object: JsonObject, openApi: JsonObject | undefined): { object: JsonObject; unknown: string[] } {
  if (openApi === undefined) return { object, unknown: [] };
  const walk: Walk = { unknown: [] };
  const { apiVersion, kind, metadata, ...rest } = object;
  const pruned = pruneValue(rest, openApi, '', walk) as JsonObject;
  const head: JsonObject = {};
  for (const [key, value] of Object.entries({ apiVersion, kind, metadata })) if (value !== undefined) head[key] = value;
  return { object: { ...head, ...pruned }, unknown: walk.unknown.toSorted() };
}
