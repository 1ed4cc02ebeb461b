/**
 * Protobuf request bodies: bytes -> the JSON object they mean (spec/local-cluster.md 3). Called by the body reader for
 * `application/vnd.kubernetes.protobuf`. Pure; the body is at most 3 MiB and already in memory.
 */

import { fromBinary, hasOption, isFieldSet, ScalarType } from '@bufbuild/protobuf';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { always, UnknownSchema } from '@ambit/proto/kubernetes';
import type { JsonObject } from '../json.ts';
import { isInline, jsonNameOf, messageOfKind } from '../schema/from-descriptor.ts';

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** True when the bytes open with the magic number of a Kubernetes protobuf body. */
export const isProtobufBody = (body: Buffer): boolean => body.subarray(0, 4).equals(magic);

const secondsText = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

function timeOf(message: ReflectMessage, digits: boolean): string | undefined {
  const raw = message.message as unknown as { seconds: bigint; nanos: number };
  if (raw.seconds === 0n && raw.nanos === 0) return undefined;
  const text = secondsText(Number(raw.seconds));
  return digits ? text.replace('Z', `.${String(Math.floor(raw.nanos / 1000)).padStart(6, '0')}Z`) : text;
}

const parseRaw = (bytes: Uint8Array): unknown =>
  bytes.length === 0 ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown);

/** Messages whose JSON is not an object of their fields; undefined means: leave the field out. */
const special: Readonly<Record<string, (message: ReflectMessage) => unknown>> = {
  'k8s.meta.v1.Time': (message) => timeOf(message, false),
  'k8s.meta.v1.MicroTime': (message) => timeOf(message, true),
  'k8s.meta.v1.Quantity': (message) => (message.message as unknown as { string: string }).string,
  'k8s.meta.v1.IntOrString': (message) => {
    const raw = message.message as unknown as { type: bigint; intVal: number; strVal: string };
    return raw.type === 0n ? raw.intVal : raw.strVal;
  },
  'k8s.meta.v1.FieldsV1': (message) => parseRaw((message.message as unknown as { Raw: Uint8Array }).Raw),
  'k8s.meta.v1.RawExtension': (message) => parseRaw((message.message as unknown as { raw: Uint8Array }).raw),
};

function scalarJson(scalar: ScalarType, value: unknown): unknown {
  if (scalar === ScalarType.BYTES) return Buffer.from(value as Uint8Array).toString('base64');
  return typeof value === 'bigint' ? Number(value) : value;
}

function messageJson(message: ReflectMessage): unknown {
  const convert = special[message.desc.typeName];
  if (convert !== undefined) return convert(message);
  if (message.desc.name === 'ExtraValue' || message.desc.name === 'AttestationValue') {
    return (message.message as unknown as { items: string[] }).items;
  }
  const object: JsonObject = {};
  fillObject(object, message);
  return object;
}

function fieldJson(message: ReflectMessage, field: DescField): unknown {
  if (field.fieldKind === 'message') return messageJson(message.get(field));
  if (field.fieldKind === 'list') {
    const items: unknown[] = [];
    for (const item of message.get(field)) {
      if (field.listKind === 'message') items.push(messageJson(item as ReflectMessage));
      else if (field.listKind === 'scalar') items.push(scalarJson(field.scalar, item));
    }
    return items;
  }
  if (field.fieldKind === 'map') {
    const object: JsonObject = {};
    for (const [key, value] of message.get(field)) {
      if (field.mapKind === 'message') object[String(key)] = messageJson(value as ReflectMessage);
      else if (field.mapKind === 'scalar') object[String(key)] = scalarJson(field.scalar, value);
    }
    return object;
  }
  return field.fieldKind === 'scalar' ? scalarJson(field.scalar, message.get(field)) : undefined;
}

function fillObject(object: JsonObject, message: ReflectMessage): void {
  for (const field of message.fields) {
    const set = isFieldSet(message.message, field as never);
    if (!set) {
      if (hasOption(field, always) && field.fieldKind === 'scalar')
        object[jsonNameOf(field)] = fieldJson(message, field);
      continue;
    }
    if (isInline(field) && field.fieldKind === 'message') {
      fillObject(object, message.get(field));
      continue;
    }
    const value = fieldJson(message, field);
    if (value !== undefined) object[jsonNameOf(field)] = value;
  }
}

const jsonOf = (desc: DescMessage, bytes: Uint8Array): JsonObject =>
  messageJson(reflect(desc, fromBinary(desc, bytes))) as JsonObject;

/** Why a body could not be decoded. */
export class ProtobufBodyError extends Error {
  override readonly name = 'ProtobufBodyError';
}

/** The JSON object of a body with envelope; throws ProtobufBodyError for foreign bytes and unknown kinds. */
export function decodeProtobufBody(body: Buffer): JsonObject {
  if (!isProtobufBody(body)) throw new ProtobufBodyError('provided data does not appear to be a protobuf message');
  const envelope = ((): { apiVersion: string; kind: string; raw: Uint8Array } => {
    try {
      const unknown = fromBinary(UnknownSchema, body.subarray(4));
      return {
        apiVersion: unknown.typeMeta?.apiVersion ?? '',
        kind: unknown.typeMeta?.kind ?? '',
        raw: unknown.raw,
      };
    } catch (cause) {
      throw new ProtobufBodyError('protobuf envelope is malformed', { cause });
    }
  })();
  // Options of meta/v1 travel under the group version of the request.
  const desc = messageOfKind(envelope.apiVersion, envelope.kind) ?? messageOfKind('meta.k8s.io/v1', envelope.kind);
  if (desc === undefined) {
    throw new ProtobufBodyError(`no kind "${envelope.kind}" is registered for version "${envelope.apiVersion}"`);
  }
  try {
    return { apiVersion: envelope.apiVersion, kind: envelope.kind, ...jsonOf(desc, envelope.raw) };
  } catch (cause) {
    throw new ProtobufBodyError(`protobuf ${envelope.kind} is malformed`, { cause });
  }
}
