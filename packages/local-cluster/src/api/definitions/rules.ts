/**
 * Rules of custom objects in CEL (`x-kubernetes-validations`, spec/local-cluster.md 6). In: an object after defaulting and
 * pruning, its predecessor, the schema, and what the schema found; out: problems. Rules run only on objects that are
 * otherwise sound. A value that did not change is not refused again. Pure.
 */

import type { CelInput } from '@bufbuild/cel';
import { optionalOf } from '../cel/lists.ts';
import { compile } from '../cel/program.ts';
import type { Program } from '../cel/program.ts';
import { toCelInput } from '../cel/value.ts';
import { duplicate, forbiddenField, invalidValue, required } from '../field-error.ts';
import { equalJson, isObject, listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { oldElement, oldField } from './old-value.ts';
import type { OldValue } from './old-value.ts';
import { parseFieldPath } from './rule-path.ts';

const maxMessageBytes = 5 * 1024;
const blocking = new Set(['FieldValueRequired', 'FieldValueTooLong', 'FieldValueTooMany', 'FieldValueTypeInvalid']);

const notChecked: FieldProblem = {
  reason: 'FieldValueInvalid',
  field: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

const withRules = new WeakMap<JsonObject, boolean>();

/** True when the schema has a rule anywhere; remembered, because most schemas have none. */
function hasRules(schema: JsonObject): boolean {
  let found = withRules.get(schema);
  if (found === undefined) {
    const { properties, items, additionalProperties } = schema;
    const parts = [...(isObject(properties) ? Object.values(properties) : []), items, additionalProperties];
    found =
      listAt(schema, 'x-kubernetes-validations').length > 0 || parts.some((part) => isObject(part) && hasRules(part));
    withRules.set(schema, found);
  }
  return found;
}

/** A value with its place and, where elements correlate, its predecessor. */
interface Place {
  readonly value: unknown;
  readonly schema: JsonObject;
  /** As errors show it; empty for the whole object. */
  readonly path: string;
  readonly old: OldValue;
}

/** Problems of rules below and at the root. */
export function ruleProblems(
  object: JsonObject,
  before: JsonObject | undefined,
  openApi: JsonObject | undefined,
  found: readonly FieldProblem[],
): FieldProblem[] {
  if (openApi === undefined || !hasRules(openApi)) return [];
  if (found.some((problem) => blocking.has(problem.reason))) return [notChecked];
  const old = before === undefined ? undefined : { value: visible(before) };
  return problemsAt({ value: visible(object), schema: openApi, path: '', old });
}

/** At the root, expressions see only the name of the metadata. */
function visible(object: JsonObject): JsonObject {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const { name, generateName } = metadata;
  return {
    ...object,
    metadata: { ...(name === undefined ? {} : { name }), ...(generateName === undefined ? {} : { generateName }) },
  };
}

function problemsAt(place: Place): FieldProblem[] {
  const { value, schema, old } = place;
  if (value === null || value === undefined || !hasRules(schema)) return [];
  if (old !== undefined && equalJson(value, old.value)) return [];
  return [...ownProblems(place), ...partsOf(place).flatMap(problemsAt)];
}

function partsOf({ value, schema, path, old }: Place): Place[] {
  const { items, properties, additionalProperties } = schema;
  if (Array.isArray(value)) {
    if (!isObject(items)) return [];
    return value.map((item: unknown, index) => ({
      value: item,
      schema: items,
      path: `${path}[${index}]`,
      old: oldElement(item, schema, old?.value),
    }));
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]): Place[] => {
    const field = isObject(properties) && Object.hasOwn(properties, key) ? properties[key] : undefined;
    const previous = oldField(key, schema, old?.value);
    if (isObject(field))
      return [{ value: item, schema: field, path: path === '' ? key : `${path}.${key}`, old: previous }];
    if (!isObject(additionalProperties)) return [];
    return [{ value: item, schema: additionalProperties, path: `${path}[${key}]`, old: previous }];
  });
}

function ownProblems(place: Place): FieldProblem[] {
  const rules = listAt(place.schema, 'x-kubernetes-validations').filter(isObject);
  if (rules.length === 0) return [];
  const self = toCelInput(place.value, place.schema);
  return rules.flatMap((rule) => {
    const source = textAt(rule, 'rule');
    const program = compile(source);
    if ('error' in program) return [failure(place, rule, `compilation failed: ${program.error}`)];
    const variables = variablesOf(place, rule, program, self);
    if (variables === undefined) return [];
    const outcome = program.evaluate(variables);
    if ('error' in outcome) return [failure(place, rule, outcome.error)];
    if (outcome.value === true) return [];
    return [refusal(place, rule, messageOf(rule, variables))];
  });
}

/** Undefined for a transition rule without a predecessor: it does not run. */
function variablesOf(
  { old, schema }: Place,
  rule: JsonObject,
  program: Program,
  self: CelInput,
): Record<string, CelInput> | undefined {
  if (rule['optionalOldSelf'] === true) {
    const value = old === undefined ? undefined : toCelInput(old.value, schema);
    return { self, oldSelf: optionalOf(value as Parameters<typeof optionalOf>[0]) };
  }
  if (!program.uses('oldSelf')) return { self };
  return old === undefined ? undefined : { self, oldSelf: toCelInput(old.value, schema) };
}

function messageOf(rule: JsonObject, variables: Record<string, CelInput>): string {
  const expression = textAt(rule, 'messageExpression');
  const program = expression === '' ? undefined : compile(expression);
  if (program !== undefined && !('error' in program)) {
    const outcome = program.evaluate(variables);
    const text = 'value' in outcome && typeof outcome.value === 'string' ? outcome.value.trim() : '';
    if (text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= maxMessageBytes) return text;
  }
  const message = textAt(rule, 'message').trim();
  return message === '' ? `failed rule: ${textAt(rule, 'rule').trim()}` : message;
}

const shownPath = (path: string): string => (path === '' ? '<nil>' : path);

function failure({ path, schema }: Place, rule: JsonObject, error: string): FieldProblem {
  const named = textAt(rule, 'message').trim() || textAt(rule, 'rule').trim();
  return invalidValue(shownPath(path), textAt(schema, 'type'), `${error} evaluating rule: ${named}`);
}

function refusal({ path, schema, value }: Place, rule: JsonObject, detail: string): FieldProblem {
  const below = textAt(rule, 'fieldPath');
  const tail = below === '' ? '' : (parseFieldPath(below, schema) ?? '');
  const joined = `${path}${tail}`;
  const field = shownPath(joined.startsWith('.') ? joined.slice(1) : joined);
  // Objects and lists are not printed.
  const isPlain = !isObject(value) && !Array.isArray(value);
  switch (rule['reason']) {
    case 'FieldValueForbidden':
      return forbiddenField(field, detail);
    case 'FieldValueRequired':
      return required(field, detail);
    case 'FieldValueDuplicate':
      return isPlain ? duplicate(field, value) : { reason: 'FieldValueDuplicate', field, message: 'Duplicate value' };
    default:
      return isPlain
        ? invalidValue(field, value, detail)
        : { reason: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` };
  }
}
