/** The part of an OpenAPI schema that describes a path of fields. Pure. */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

/** The schema of a field; undefined when the path is not declared. */
export function schemaAt(schema: unknown, path: readonly string[]): JsonObject | undefined {
  let current: unknown = schema;
  for (const name of path) {
    const properties = isObject(current) ? current['properties'] : undefined;
    current = isObject(properties) ? properties[name] : undefined;
  }
  return isObject(current) ? current : undefined;
}
