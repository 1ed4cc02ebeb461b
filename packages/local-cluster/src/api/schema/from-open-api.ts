/**
 * Custom kinds: the structural OpenAPI schema of a definition -> `Schema`. Called when a definition is established.
 * Pure.
 */

import { isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { metadataSchema } from './from-descriptor.ts';
import { anySchema } from './schema.ts';
import type { ListKind, Schema } from './schema.ts';

const knownTypes = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean']);

function keyDefaultsOf(openApi: JsonObject): Record<string, unknown> {
  const items = openApi['items'];
  const properties = isObject(items) && isObject(items['properties']) ? items['properties'] : {};
  const defaults: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (isObject(value) && value['default'] !== undefined) defaults[name] = value['default'];
  }
  return defaults;
}

function arraySchema(openApi: JsonObject): Schema {
  const kind = openApi['x-kubernetes-list-type'];
  const list: ListKind = kind === 'set' || kind === 'map' ? kind : 'atomic';
  const items = openApi['items'];
  const element = isObject(items) ? schemaOfOpenApi(items) : anySchema;
  return {
    type: 'array',
    items: () => element,
    list,
    listKeys: listAt(openApi, 'x-kubernetes-list-map-keys').filter((key) => typeof key === 'string'),
    keyDefaults: keyDefaultsOf(openApi),
    openApi,
  };
}

/** The schema of one value of a custom kind. */
export function schemaOfOpenApi(openApi: JsonObject): Schema {
  if (openApi['x-kubernetes-int-or-string'] === true) return { type: 'int-or-string', openApi };
  const type = openApi['type'];
  if (typeof type !== 'string' || !knownTypes.has(type)) return { ...anySchema, openApi };
  if (type === 'array') return arraySchema(openApi);
  if (type !== 'object') {
    const format = openApi['format'];
    return { type: type as Schema['type'], openApi, ...(typeof format === 'string' ? { format } : {}) };
  }
  const properties = new Map<string, Schema>();
  for (const [name, value] of Object.entries(isObject(openApi['properties']) ? openApi['properties'] : {})) {
    if (isObject(value)) properties.set(name, schemaOfOpenApi(value));
  }
  if (openApi['x-kubernetes-embedded-resource'] === true) {
    properties.set('apiVersion', { type: 'string' });
    properties.set('kind', { type: 'string' });
    properties.set('metadata', metadataSchema);
  }
  const additional = openApi['additionalProperties'];
  const values = isObject(additional) ? schemaOfOpenApi(additional) : additional === true ? anySchema : undefined;
  const preserve = openApi['x-kubernetes-preserve-unknown-fields'] === true;
  return {
    type: 'object',
    properties: () => properties,
    ...(values === undefined ? {} : { additional: () => values }),
    ...(openApi['x-kubernetes-map-type'] === 'atomic' ? { atomic: true } : {}),
    ...(preserve ? { preserveUnknown: true } : {}),
    openApi,
  };
}

/** The schema of a custom kind: the definition's own with apiVersion, kind and typed metadata. */
export function customSchema(openApi: JsonObject | undefined): Schema {
  const base: Schema = openApi === undefined ? { type: 'object', preserveUnknown: true } : schemaOfOpenApi(openApi);
  const properties = new Map(base.properties?.() ?? []);
  properties.set('apiVersion', { type: 'string' });
  properties.set('kind', { type: 'string' });
  properties.set('metadata', metadataSchema);
  return { ...base, type: 'object', properties: () => properties };
}
