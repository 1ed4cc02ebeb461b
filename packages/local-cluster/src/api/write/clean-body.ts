/**
 * Applies the field validation level to a decoded body: unknown and duplicate fields refuse (Strict), warn (Warn) or
 * pass (Ignore). In: body, resource, level; out: clean body. Called before create, update and after patches.
 */

import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest } from '../status.ts';
import type { WriteContext } from './context.ts';
import { cleanObject } from './fields.ts';

const limit = 100;

/** Texts of problems with fields, duplicates first. */
export const fieldTexts = (duplicates: readonly string[], unknown: readonly string[]): string[] =>
  [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ].slice(0, limit);

/** The text of a strict refusal. */
export const strictText = (resource: Resource, texts: readonly string[]): string =>
  `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: strict decoding error: ${texts.join(', ')}`;

/** The body without unknown fields; throws 400 when strict. */
export function cleanBody(
  resource: Resource,
  body: JsonObject,
  duplicates: readonly string[],
  context: WriteContext,
): JsonObject {
  const { object, unknown } = cleanObject(body, resource);
  if (context.fieldValidation === 'Ignore') return object;
  const texts = fieldTexts(duplicates, unknown);
  if (texts.length === 0) return object;
  if (context.fieldValidation === 'Strict') throw badRequest(strictText(resource, texts));
  context.warnings.push(...texts);
  return object;
}
