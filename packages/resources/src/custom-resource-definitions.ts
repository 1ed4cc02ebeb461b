// From the table of kinds to CustomResourceDefinition objects (apiextensions.k8s.io/v1). Called by charts and the local cluster.
import { storedKinds } from './istio/stored-kinds.ts';
import type { KindInfo } from './kind-info.ts';
import { kinds } from './kinds.ts';
import type { KubernetesObject } from './object-meta.ts';

type Json = { [key: string]: unknown };

/** The CRDs of every custom kind of this package, those that are only stored included. Fresh objects on every call. */
export function customResourceDefinitions(): KubernetesObject[] {
  return [...Object.values<KindInfo>(kinds), ...storedKinds]
    .filter((info) => info.custom)
    .map(customResourceDefinitionOf);
}

/** The CRD of one kind. */
export function customResourceDefinitionOf(info: KindInfo): KubernetesObject {
  const isGatewayApi = info.group === 'gateway.networking.k8s.io';
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${info.plural}.${info.group}`,
      ...(isGatewayApi ? { annotations: GATEWAY_API_ANNOTATIONS } : {}),
    },
    spec: {
      group: info.group,
      names: {
        kind: info.kind,
        listKind: `${info.kind}List`,
        plural: info.plural,
        singular: info.kind.toLowerCase(),
        ...(info.shortNames.length > 0 ? { shortNames: [...info.shortNames] } : {}),
        categories: [...info.categories],
      },
      scope: info.namespaced ? 'Namespaced' : 'Cluster',
      versions: [info.version, ...info.otherVersions].map((name) => versionOf(info, name)),
    },
  };
}

// The API server of Kubernetes refuses a CRD of a *.k8s.io group without an approval note; controllers read the version.
const GATEWAY_API_ANNOTATIONS = {
  'api-approved.kubernetes.io': 'unapproved, subset served by the Ambit local cluster',
  'gateway.networking.k8s.io/bundle-version': 'v1.6.0',
  'gateway.networking.k8s.io/channel': 'standard',
};

function versionOf(info: KindInfo, name: string): Json {
  const { spec, status, ...rest } = info.schema.properties as Json;
  const properties: Json = {};
  for (const [key, value] of Object.entries(rest)) {
    // Metadata is the API server's own business; only its presence is declared.
    properties[key] = key === 'metadata' || key === 'kind' || key === 'apiVersion' ? plainType(key) : structural(value);
  }
  if (spec !== undefined) properties['spec'] = structural(spec);
  if (status !== undefined) properties['status'] = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    name,
    served: true,
    storage: name === info.version,
    schema: { openAPIV3Schema: { type: 'object', description: `${info.kind} of ${info.group}.`, properties } },
    ...(info.columns.length > 0 ? { additionalPrinterColumns: info.columns.map((c) => ({ ...c })) } : {}),
    ...(status === undefined ? {} : { subresources: { status: {} } }),
  };
}

function plainType(key: string): Json {
  return { type: key === 'metadata' ? 'object' : 'string' };
}

/** JSON schema as TypeBox writes it -> the structural subset that CRDs allow. */
function structural(schema: unknown): Json {
  const node = schema as Json;
  const union = node['anyOf'] as Json[] | undefined;
  if (union !== undefined) return structuralUnion(union);
  if (node['type'] === 'array') {
    return { type: 'array', items: structural(node['items']), ...pick(node, ['maxItems', 'minItems']) };
  }
  if (node['enum'] !== undefined) return { type: 'string', enum: [...(node['enum'] as unknown[])] };
  if (node['const'] !== undefined) return { type: 'string', enum: [node['const']] };
  if (node['type'] !== 'object') {
    return node['type'] === undefined
      ? { 'x-kubernetes-preserve-unknown-fields': true }
      : { type: node['type'], ...pick(node, ['minimum', 'maximum', 'maxLength', 'pattern', 'format']) };
  }
  return structuralObject(node);
}

function structuralObject(node: Json): Json {
  const patterns = node['patternProperties'] as Json | undefined;
  if (patterns !== undefined) {
    const value = Object.values(patterns)[0] as Json;
    if (value['type'] === undefined && value['anyOf'] === undefined) {
      return { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    }
    return { type: 'object', additionalProperties: structural(value) };
  }
  const properties: Json = {};
  for (const [key, value] of Object.entries((node['properties'] ?? {}) as Json)) properties[key] = structural(value);
  return { type: 'object', properties, ...pick(node, ['required', 'maxProperties']) };
}

function structuralUnion(members: Json[]): Json {
  const types = members.map((m) => m['type']);
  if (types.includes('integer') && types.includes('string')) return { 'x-kubernetes-int-or-string': true };
  const real = members.filter((m) => m['type'] !== 'null');
  return real.length === 1
    ? { ...structural(real[0]), nullable: true }
    : { 'x-kubernetes-preserve-unknown-fields': true };
}

function pick(node: Json, keys: readonly string[]): Json {
  const out: Json = {};
  for (const key of keys) if (node[key] !== undefined) out[key] = node[key];
  return out;
}
