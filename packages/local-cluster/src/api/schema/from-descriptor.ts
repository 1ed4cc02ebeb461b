/**
 * Builtin kinds: protobuf message description -> `Schema`. Called once per message, results are kept. Pure.
 */

import { getOption, hasOption, ScalarType } from '@bufbuild/protobuf';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import {
  atomic,
  atomic_value,
  inline,
  kubernetesFiles,
  list_keys,
  list_set,
  patch_key,
  patch_strategy,
} from '@ambit/proto/kubernetes';
import { anySchema } from './schema.ts';
import type { Schema } from './schema.ts';

const built = new Map<DescMessage, Schema>();

const stringSchema: Schema = { type: 'string' };

/** Messages whose JSON is not an object. */
const special = new Map<string, Schema>([
  ['k8s.meta.v1.Time', { type: 'string', format: 'date-time' }],
  ['k8s.meta.v1.MicroTime', { type: 'string', format: 'date-time' }],
  ['k8s.meta.v1.Quantity', { type: 'int-or-string' }],
  ['k8s.meta.v1.IntOrString', { type: 'int-or-string' }],
  ['k8s.meta.v1.FieldsV1', anySchema],
  ['k8s.meta.v1.RawExtension', anySchema],
]);

const scalars: Partial<Record<ScalarType, Schema>> = {
  [ScalarType.STRING]: stringSchema,
  [ScalarType.BYTES]: { type: 'string', format: 'byte' },
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.DOUBLE]: { type: 'number' },
  [ScalarType.INT32]: { type: 'integer', format: 'int32' },
  [ScalarType.INT64]: { type: 'integer', format: 'int64' },
};

const scalarSchema = (scalar: ScalarType): Schema => scalars[scalar] ?? anySchema;

/** JSON name of a field; public names are used as they are. */
export const jsonNameOf = (field: DescField): string => field.jsonName;

/** True when the fields of this message stand in the JSON of the one around it. */
export const isInline = (field: DescField): boolean => hasOption(field, inline);

const withPatch = (field: DescField, schema: Schema): Schema => {
  const key = getOption(field, patch_key);
  const strategy = getOption(field, patch_strategy);
  if (key === '' && strategy === '') return schema;
  return {
    ...schema,
    ...(key === '' ? {} : { patchKey: key }),
    ...(strategy === '' ? {} : { patchStrategy: new Set(strategy.split(',')) }),
  };
};

function listSchema(field: DescField & { fieldKind: 'list' }): Schema {
  const items = (): Schema => {
    if (field.listKind === 'message') return schemaOfMessage(field.message);
    return field.listKind === 'scalar' ? scalarSchema(field.scalar) : anySchema;
  };
  const keys = getOption(field, list_keys);
  if (keys !== '') {
    const names = keys.split(',');
    // The protocol of a container or service port is the only key with a default.
    const keyDefaults = names.includes('protocol') ? { protocol: 'TCP' } : undefined;
    return {
      type: 'array',
      items,
      list: 'map',
      listKeys: names,
      ...(keyDefaults === undefined ? {} : { keyDefaults }),
    };
  }
  return { type: 'array', items, list: getOption(field, list_set) ? 'set' : 'atomic' };
}

function fieldOf(field: DescField): Schema {
  const whole = getOption(field, atomic_value);
  if (field.fieldKind === 'list') return withPatch(field, listSchema(field));
  if (field.fieldKind === 'map') {
    const additional = (): Schema => {
      if (field.mapKind === 'message') return schemaOfMessage(field.message);
      return field.mapKind === 'scalar' ? scalarSchema(field.scalar) : anySchema;
    };
    return withPatch(field, { type: 'object', additional, ...(whole ? { atomic: true } : {}) });
  }
  if (field.fieldKind === 'message') {
    const schema = schemaOfMessage(field.message);
    return withPatch(field, whole ? { ...schema, atomic: true } : schema);
  }
  return field.fieldKind === 'scalar' ? scalarSchema(field.scalar) : anySchema;
}

function propertiesOf(message: DescMessage): Map<string, Schema> {
  const properties = new Map<string, Schema>();
  for (const field of message.fields) {
    if (isInline(field) && field.fieldKind === 'message') {
      for (const [name, schema] of propertiesOf(field.message)) properties.set(name, schema);
    } else properties.set(jsonNameOf(field), fieldOf(field));
  }
  return properties;
}

/** The schema of a message; the same object every time. */
export function schemaOfMessage(message: DescMessage): Schema {
  const known = special.get(message.typeName) ?? built.get(message);
  if (known !== undefined) return known;
  // A list in an envelope of its own: JSON is the bare list.
  if (message.name === 'ExtraValue' || message.name === 'AttestationValue') {
    return { type: 'array', items: () => stringSchema, list: 'atomic' };
  }
  let properties: Map<string, Schema> | undefined;
  const schema: Schema = {
    type: 'object',
    properties: () => (properties ??= propertiesOf(message)),
    ...(getOption(message, atomic) ? { atomic: true } : {}),
  };
  built.set(message, schema);
  return schema;
}

/** The message that describes a builtin kind, if we have one. */
export const messageOfKind = (groupVersion: string, kind: string): DescMessage | undefined =>
  kubernetesFiles.get(groupVersion)?.messages.find((message) => message.name === kind);

/** The schema of the metadata of every kind. */
export const metadataSchema: Schema = ((): Schema => {
  const message = messageOfKind('meta.k8s.io/v1', 'ObjectMeta');
  return message === undefined ? anySchema : schemaOfMessage(message);
})();

/** The schema of a builtin kind with apiVersion and kind; accepts everything when the kind has no definition. */
export function builtinSchema(groupVersion: string, kind: string): Schema {
  const message = messageOfKind(groupVersion, kind);
  if (message === undefined) {
    const open = new Map([['metadata', metadataSchema]]);
    return { type: 'object', properties: () => open, preserveUnknown: true };
  }
  const inner = schemaOfMessage(message);
  let properties: Map<string, Schema> | undefined;
  return {
    type: 'object',
    properties: () =>
      (properties ??= new Map([['apiVersion', stringSchema], ['kind', stringSchema], ...(inner.properties?.() ?? [])])),
  };
}
