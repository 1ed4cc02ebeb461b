/**
 * Request bodies: bytes and Content-Type -> JSON (spec/local-cluster.md 3). Bodies in YAML are YAML 1.1. In: bytes;
 * out: value and the paths of fields given twice, or 400/415. Pure.
 */

import { isUtf8 } from 'node:buffer';
import { messageOf } from '@ambit/runtime/errors';
import { parseDocument } from 'yaml';
import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { decodeProtobufBody, ProtobufBodyError } from '../protobuf/decode.ts';
import type { Resource } from '../resources/resource.ts';
import { ApiError, badRequest, unsupportedMediaType } from '../status.ts';
import { duplicateFields } from './duplicate-fields.ts';

const types = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** A decoded body. */
export interface DecodedBody {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

/** The media type without parameters. */
export const mediaType = (header: string | undefined): string =>
  (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** Deepest nesting of a body. Kubernetes stops at 10,000; what follows the parser here recurses, and real objects need 60. */
const MAX_DEPTH = 500;

/** The deepest nesting of brackets outside strings; stops counting beyond the limit. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}

/** The text of a body; 400 where it is not UTF-8. */
export function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw badRequest('invalid character in body: the text is not UTF-8');
  return bytes.toString('utf8');
}

/** What a parsed body may not hold: a number no double can hold (`1e400` reads as infinity), a field that is no plain field here. */
function problemOf(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a number of the body is out of range';
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, '__proto__')) return 'a field of the body is called "__proto__"';
  for (const item of Object.values(value)) {
    const problem = problemOf(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function checkValue(value: unknown): void {
  const problem = problemOf(value);
  if (problem !== undefined) throw badRequest(problem);
}

const tooDeep = (): Error => badRequest(`exceeded max depth: values nest deeper than ${MAX_DEPTH} levels`);

/** Parses JSON; the error's message is like the one of Go for an early end. */
export function parseJson(text: string): DecodedBody {
  if (isTooDeep(text)) throw tooDeep();
  try {
    const value = JSON.parse(text) as unknown;
    checkValue(value);
    return { value, duplicates: duplicateFields(text) };
  } catch (error) {
    if (ApiError.is(error)) throw error;
    const message = error instanceof Error ? error.message : '';
    const isEarly =
      text.trim() === '' ||
      message.includes('end of JSON') ||
      message.includes('Unterminated') ||
      `${message} `.includes(`position ${text.length} `);
    throw badRequest(isEarly ? 'unexpected end of JSON input' : `invalid character: ${message}`);
  }
}

/** Parses one YAML 1.1 document; aliases are limited. */
export function parseYaml(text: string): DecodedBody {
  try {
    return readYaml(text);
  } catch (error) {
    if (ApiError.is(error)) throw error;
    // Nesting by indentation ends in the stack of the parser, aliases in its limit.
    throw badRequest(
      `error converting YAML to JSON: yaml: ${error instanceof RangeError ? 'exceeded max depth' : messageOf(error)}`,
    );
  }
}

function readYaml(text: string): DecodedBody {
  if (isTooDeep(text)) throw tooDeep();
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false, merge: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw badRequest(
      `error converting YAML to JSON: yaml: line ${problem.linePos?.[0].line ?? 1}: ${problem.message.split('\n')[0] ?? ''}`,
    );
  }
  const duplicates: string[] = [];
  const strict = parseDocument(text, { version: '1.1', uniqueKeys: true, merge: true });
  for (const found of strict.errors)
    if (found.code === 'DUPLICATE_KEY') duplicates.push(`line ${found.linePos?.[0].line ?? 0}`);
  const value = document.toJS({ maxAliasCount: 100 }) as unknown;
  if (isTooDeep(JSON.stringify(value) ?? '')) throw tooDeep();
  checkValue(value);
  return { value, duplicates };
}

const shown = (text: string): string =>
  text === '' ? '<empty>' : text.length <= 32 ? text : `${text.slice(0, 29)} ...`;

function decode(bytes: Buffer, contentType: string, resource: Resource): DecodedBody {
  const type = mediaType(contentType);
  if (type === 'application/vnd.kubernetes.protobuf') {
    if (resource.custom !== undefined) throw unsupportedMediaType(types.slice(0, 2));
    try {
      return { value: decodeProtobufBody(bytes), duplicates: [] };
    } catch (error) {
      if (error instanceof ProtobufBodyError) throw badRequest(error.message);
      throw error;
    }
  }
  if (type === '' || type === 'application/json') return parseJson(textOf(bytes));
  if (type === 'application/yaml') return parseYaml(textOf(bytes));
  throw unsupportedMediaType(types);
}

/** The object of a create or update; kinds and versions are checked against the resource. */
export function decodeObject(
  bytes: Buffer,
  contentType: string | undefined,
  resource: Resource,
  kind = resource.kind,
  apiVersion = resource.apiVersion,
): { object: JsonObject; duplicates: readonly string[] } {
  // For messages only, which show what was sent.
  const text = bytes.toString('utf8');
  const unrecognized = (why: string): Error =>
    badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${shown(text)})`);
  let decoded: DecodedBody;
  try {
    decoded = decode(bytes, contentType ?? '', resource);
  } catch (error) {
    if (!(error instanceof Error) || mediaType(contentType) === 'application/vnd.kubernetes.protobuf') throw error;
    if (error.message.startsWith('unexpected end') || error.message.startsWith('invalid character')) {
      throw unrecognized(`couldn't get version/kind; json parse error: ${error.message}`);
    }
    throw error;
  }
  const { value, duplicates } = decoded;
  if (!isObject(value)) {
    const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
    throw unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  return { object: typed(value, resource, kind, apiVersion, text), duplicates };
}

function typed(value: JsonObject, resource: Resource, kind: string, apiVersion: string, text: string): JsonObject {
  const sentKind = typeof value['kind'] === 'string' ? value['kind'] : '';
  const sentVersion = typeof value['apiVersion'] === 'string' ? value['apiVersion'] : '';
  if (resource.custom === undefined || kind !== resource.kind) {
    if ((sentKind !== '' && sentKind !== kind) || (sentVersion !== '' && sentVersion !== apiVersion)) {
      throw badRequest(
        `${sentKind === '' ? kind : sentKind} in version "${sentVersion.split('/').at(-1) ?? ''}" cannot be handled as a ${kind}: no kind "${sentKind}" is registered for the expected version "${apiVersion}"`,
      );
    }
    return { ...value, apiVersion, kind };
  }
  if (sentKind === '')
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): Object 'Kind' is missing in '${text}' (${shown(text)})`,
    );
  if (sentVersion === '')
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): Object 'apiVersion' is missing in '${text}' (${shown(text)})`,
    );
  return value;
}
