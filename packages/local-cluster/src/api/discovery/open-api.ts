/**
 * OpenAPI v3 documents per group and version: enough for `kubectl apply`, `explain` and validation (spec/local-cluster.md
 * 6). In: registry; out: documents built from the same schemas that validate. Pure, results are kept per resource set.
 */

import { createHash } from 'node:crypto';
import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';
import type { Schema } from '../schema/schema.ts';

/** Deepest nesting that is written out; deeper values are open objects. */
const maxDepth = 24;

function openApiOf(schema: Schema, depth = 0): JsonObject {
  if (schema.openApi !== undefined) return schema.openApi as JsonObject;
  if (depth > maxDepth) return { 'x-kubernetes-preserve-unknown-fields': true };
  const patch = {
    ...(schema.patchKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': schema.patchKey }),
    ...(schema.patchStrategy === undefined
      ? {}
      : { 'x-kubernetes-patch-strategy': [...schema.patchStrategy].join(',') }),
  };
  switch (schema.type) {
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'int-or-string':
      return { 'x-kubernetes-int-or-string': true, oneOf: [{ type: 'integer' }, { type: 'string' }] };
    case 'array':
      return {
        type: 'array',
        items: openApiOf(schema.items?.() ?? { type: 'any' }, depth + 1),
        ...(schema.list === undefined ? {} : { 'x-kubernetes-list-type': schema.list }),
        ...(schema.list === 'map' ? { 'x-kubernetes-list-map-keys': schema.listKeys } : {}),
        ...patch,
      };
    case 'object':
      return { ...objectOf(schema, depth), ...patch };
    default:
      return { type: schema.type, ...(schema.format === undefined ? {} : { format: schema.format }) };
  }
}

function objectOf(schema: Schema, depth: number): JsonObject {
  const properties: JsonObject = {};
  for (const [name, field] of schema.properties?.() ?? []) properties[name] = openApiOf(field, depth + 1);
  return {
    type: 'object',
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(schema.additional === undefined ? {} : { additionalProperties: openApiOf(schema.additional(), depth + 1) }),
    ...(schema.atomic === true ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...(schema.preserveUnknown === true ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
  };
}

function kindSchema(resource: Resource): JsonObject {
  const custom = resource.custom?.openApi;
  const base = custom === undefined ? openApiOf({ ...resource.schema }) : { ...custom };
  const properties = isObject(base['properties']) ? base['properties'] : {};
  return {
    ...base,
    type: 'object',
    properties: {
      ...properties,
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: properties['metadata'] ?? { type: 'object' },
    },
    'x-kubernetes-group-version-kind': [{ group: resource.group, version: resource.version, kind: resource.kind }],
  };
}

const schemaName = (resource: Resource): string =>
  `${resource.group === '' ? 'io.k8s.api.core' : resource.group.split('.').toReversed().join('.')}.${resource.version}.${resource.kind}`;

const queryParameter = (name: string): JsonObject => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
});

function pathsOf(resource: Resource, groupPath: string): JsonObject {
  const base = `${groupPath}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.resource}`;
  const kind = { group: resource.group, version: resource.version, kind: resource.kind };
  const reference = { $ref: `#/components/schemas/${schemaName(resource)}` };
  const answers = { 200: { description: 'OK', content: { 'application/json': { schema: reference } } } };
  const write = ['dryRun', 'fieldManager', 'fieldValidation'].map(queryParameter);
  const operation = (action: string, parameters: readonly JsonObject[], body?: JsonObject): JsonObject => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kind,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { content: body } }),
    responses: answers,
  });
  const body = { '*/*': { schema: reference } };
  const patches = Object.fromEntries(
    [
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/strategic-merge-patch+json',
      'application/apply-patch+yaml',
    ]
      .filter((type) => resource.custom === undefined || !type.includes('strategic'))
      .map((type) => [type, { schema: { type: 'object' } }]),
  );
  return {
    [base]: { get: operation('list', []), post: operation('post', write, body) },
    [`${base}/{name}`]: {
      get: operation('get', []),
      put: operation('put', write, body),
      patch: operation('patch', [...write, queryParameter('force')], patches),
      delete: operation('delete', []),
    },
  };
}

/** A document with the hash in its address. */
export interface OpenApiDocument {
  readonly text: string;
  readonly hash: string;
}

const cache = new Map<string, { readonly key: readonly Resource[]; readonly document: OpenApiDocument }>();

/** The document of one group and version; undefined when nothing is served there. */
export function openApiDocument(registry: Registry, group: string, version: string): OpenApiDocument | undefined {
  const resources = registry.inVersion(group, version);
  if (resources.length === 0) return undefined;
  const groupPath = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const known = cache.get(groupPath);
  if (known?.key.length === resources.length && known.key.every((item, index) => item === resources[index]))
    return known.document;
  const schemas: JsonObject = {};
  let paths: JsonObject = {};
  for (const resource of resources) {
    schemas[schemaName(resource)] = kindSchema(resource);
    paths = { ...paths, ...pathsOf(resource, groupPath) };
  }
  const text = JSON.stringify({
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.1' },
    paths,
    components: { schemas },
  });
  const document = { text, hash: createHash('sha512').update(text).digest('hex').toUpperCase() };
  cache.set(groupPath, { key: resources, document });
  return document;
}

/** `/openapi/v3`: every group and version with the address of its document. */
export function openApiIndex(registry: Registry): object {
  const paths: JsonObject = {};
  for (const group of registry.groups()) {
    for (const version of registry.versionsOf(group)) {
      const name = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      const document = openApiDocument(registry, group, version);
      if (document !== undefined) paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${document.hash}` };
    }
  }
  return { paths };
}
