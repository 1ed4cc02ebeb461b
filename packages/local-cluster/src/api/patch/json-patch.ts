/**
 * JSON Patch (RFC 6902) with the answers of the Kubernetes API: malformed documents 400, failing operations 422. In:
 * a document and operations; out: a new document. Pure.
 */

import { isDigits } from '../characters.ts';
import { copyJson, equalJson, isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { ApiError, badRequest, statusError } from '../status.ts';

/** Most operations in one patch. */
const maxOperations = 10_000;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from: string | undefined;
  readonly value: unknown;
  readonly hasValue: boolean;
}

/** The API hides which operation failed; our text goes into the cause. */
const failed = (message: string): Error =>
  new ApiError(
    statusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {}).status,
    {
      cause: new Error(message),
    },
  );

function parseOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) {
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  }
  if (patch.length > maxOperations) {
    throw statusError(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  }
  return patch.map((operation) => {
    if (!isObject(operation)) throw badRequest('error decoding patch: operation is not an object');
    const { op, path, from, value } = operation;
    return {
      op: typeof op === 'string' ? op : '',
      path: typeof path === 'string' ? path : '',
      from: typeof from === 'string' ? from : undefined,
      value,
      hasValue: 'value' in operation,
    };
  });
}

const split = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function indexOf(key: string, limit: number, op: string, path: string): number {
  const index = Number(key);
  if (!isDigits(key, 7) || index > limit) {
    throw failed(`${op} operation does not apply: doc is missing path: ${path}: invalid index referenced`);
  }
  return index;
}

interface Place {
  readonly parent: JsonObject | unknown[];
  readonly key: string;
}

function placeOf(document: unknown, path: string, op: string): Place {
  const parts = split(path);
  const key = parts.pop();
  let current = document;
  for (const part of parts) {
    if (Array.isArray(current)) current = current[indexOf(part, current.length - 1, op, path)];
    else current = isObject(current) ? current[part] : undefined;
  }
  if (key === undefined || (!isObject(current) && !Array.isArray(current))) {
    throw failed(`${op} operation does not apply: doc is missing path: "${path}": missing value`);
  }
  return { parent: current, key };
}

function read({ parent, key }: Place, op: string, path: string): unknown {
  if (Array.isArray(parent)) return parent[indexOf(key, parent.length - 1, op, path)];
  if (!(key in parent)) {
    throw failed(
      `${op} operation does not apply: doc is missing ${op === 'test' || op === 'copy' ? 'path' : 'key'}: ${path}: missing value`,
    );
  }
  return parent[key];
}

function add({ parent, key }: Place, value: unknown, path: string): void {
  if (!Array.isArray(parent)) parent[key] = value;
  else if (key === '-') parent.push(value);
  else parent.splice(indexOf(key, parent.length, 'add', path), 0, value);
}

function remove({ parent, key }: Place, path: string, op = 'remove'): unknown {
  if (Array.isArray(parent)) return parent.splice(indexOf(key, parent.length - 1, op, path), 1)[0];
  if (!(key in parent)) throw failed(`${op} operation does not apply: doc is missing key: ${path}: missing value`);
  const value = parent[key];
  delete parent[key];
  return value;
}

function replace(place: Place, value: unknown, path: string): void {
  read(place, 'replace', path);
  if (Array.isArray(place.parent)) place.parent[Number(place.key)] = value;
  else place.parent[place.key] = value;
}

function test(document: unknown, operation: Operation): void {
  const { parent, key } = placeOf(document, operation.path, 'test');
  const found = Array.isArray(parent) ? parent[indexOf(key, parent.length - 1, 'test', operation.path)] : parent[key];
  if (!equalJson(found ?? null, operation.value ?? null)) {
    throw failed(`testing value ${operation.path} failed: test failed`);
  }
}

function applyOne(document: unknown, operation: Operation): void {
  const { op, path, from } = operation;
  const source = (): Place => placeOf(document, from ?? '', op);
  switch (op) {
    case 'add':
      return add(placeOf(document, path, op), copyJson(operation.value ?? null), path);
    case 'remove':
      remove(placeOf(document, path, op), path);
      return undefined;
    case 'replace':
      return replace(placeOf(document, path, op), copyJson(operation.value ?? null), path);
    case 'test':
      return test(document, operation);
    case 'move': {
      const value = remove(source(), from ?? '', op);
      return add(placeOf(document, path, op), value, path);
    }
    case 'copy':
      return add(placeOf(document, path, op), copyJson(read(source(), op, from ?? '')), path);
    default:
      throw failed(`Unexpected kind: ${op}`);
  }
}

/** The document with all operations applied; the given one is not changed. */
export function jsonPatch(document: JsonObject, patch: unknown): JsonObject {
  const result = copyJson(document);
  for (const operation of parseOperations(patch)) applyOne(result, operation);
  return result;
}
