/**
 * Validation of custom objects against their OpenAPI schema, in the words of the API (spec/local-cluster.md 6). In: an
 * object after defaulting and pruning; out: problems in the recorded order. Patterns run in re2js. Pure.
 */

import { RE2JS } from 're2js';
import { duplicate, invalidType, invalidValue, notSupported, required, tooLong, tooMany } from '../field-error.ts';
import { equalJson, isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { isFormat } from './formats.ts';
import { oldElement, oldField } from './old-value.ts';
import type { OldValue } from './old-value.ts';

const patterns = new Map<string, RE2JS | undefined>();

function patternOf(source: string): RE2JS | undefined {
  if (!patterns.has(source)) {
    let compiled: RE2JS | undefined;
    try {
      compiled = RE2JS.compile(source);
    } catch {
      compiled = undefined;
    }
    if (patterns.size > 5000) patterns.clear();
    patterns.set(source, compiled);
  }
  return patterns.get(source);
}

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value === 'boolean' ? 'boolean' : typeof value === 'string' ? 'string' : 'object';
};

function typeProblem(value: unknown, schema: JsonObject, path: string): FieldProblem[] {
  const found = typeOf(value);
  const { type, format } = schema;
  if (schema['x-kubernetes-int-or-string'] === true) {
    return found === 'integer' || found === 'string'
      ? []
      : [invalidType(path, found, `${path} in body must be of type integer,string: "${found}"`)];
  }
  if (typeof type !== 'string' || type === '') return [];
  if (found === type || (type === 'number' && found === 'integer')) return [];
  if (type === 'integer' && found === 'number' && typeof format === 'string' && format.startsWith('int')) {
    return [
      invalidType(path, 'float64', `${path} in body must be of type ${format}: "float64"`),
      {
        reason: 'FieldValueInvalid',
        field: '<nil>',
        message: `Invalid value: "": Checked value must be of type integer with format ${format} in ${path}`,
      },
    ];
  }
  const wrong = invalidType(path, found, `${path} in body must be of type ${type}: "${found}"`);
  if (type === 'integer' && found === 'number') {
    return [
      wrong,
      {
        reason: 'FieldValueInvalid',
        field: '<nil>',
        message: `Invalid value: "": Checked value must be of type integer (default format) in ${path}`,
      },
    ];
  }
  return [wrong];
}

const integerLimits: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [-(2 ** 63), 2 ** 63 - 1],
};

function numberProblems(value: number, schema: JsonObject, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const limits = integerLimits[String(schema['format'])];
  if (schema['type'] === 'integer' && limits !== undefined && (value < limits[0] || value > limits[1])) {
    problems.push({
      reason: 'FieldValueInvalid',
      field: '<nil>',
      message: `Invalid value: "": Checked value must be of type integer with format ${String(schema['format'])} in ${path}`,
    });
  }
  const multiple = number(schema['multipleOf']);
  if (multiple !== undefined && multiple !== 0 && !Number.isInteger(value / multiple)) {
    problems.push(invalidValue(path, value, `${path} in body should be a multiple of ${multiple}`));
  }
  const maximum = number(schema['maximum']);
  const belowOnly = schema['exclusiveMaximum'] === true;
  if (maximum !== undefined && (belowOnly ? value >= maximum : value > maximum)) {
    problems.push(
      invalidValue(path, value, `${path} in body should be less than ${belowOnly ? '' : 'or equal to '}${maximum}`),
    );
  }
  const minimum = number(schema['minimum']);
  const aboveOnly = schema['exclusiveMinimum'] === true;
  if (minimum !== undefined && (aboveOnly ? value <= minimum : value < minimum)) {
    problems.push(
      invalidValue(path, value, `${path} in body should be greater than ${aboveOnly ? '' : 'or equal to '}${minimum}`),
    );
  }
  return problems;
}

function stringProblems(value: string, schema: JsonObject, path: string): FieldProblem[] {
  const maximum = number(schema['maxLength']);
  const length = Array.from(value).length;
  if (maximum !== undefined && length > maximum) return [tooLong(path, maximum)];
  const minimum = number(schema['minLength']);
  if (minimum !== undefined && length < minimum) {
    return [invalidValue(path, value, `${path} in body should be at least ${minimum} chars long`)];
  }
  const { pattern, format } = schema;
  if (typeof pattern === 'string' && patternOf(pattern)?.matcher(value).find() === false) {
    return [invalidValue(path, value, `${path} in body should match '${pattern}'`)];
  }
  if (typeof format === 'string' && !isFormat(format, value)) {
    return [invalidType(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`)];
  }
  return [];
}

function arrayProblems(value: readonly unknown[], schema: JsonObject, path: string, old: OldValue): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { items } = schema;
  const maximum = number(schema['maxItems']);
  const minimum = number(schema['minItems']);
  if (minimum !== undefined && value.length < minimum) {
    problems.push(invalidValue(path, value.length, `${path} in body should have at least ${minimum} items`));
  }
  if (maximum !== undefined && value.length > maximum) problems.push(tooMany(path, value.length, maximum));
  if (isObject(items)) {
    for (const [index, item] of value.entries()) {
      problems.push(...valueProblems(item, items, `${path}[${index}]`, oldElement(item, schema, old?.value)));
    }
  }
  return problems;
}

function objectProblems(value: JsonObject, schema: JsonObject, path: string, old: OldValue): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`);
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const additional = schema['additionalProperties'];
  const maximum = number(schema['maxProperties']);
  const minimum = number(schema['minProperties']);
  for (const key of listAt(schema, 'required')) {
    if (typeof key === 'string' && !(key in value)) problems.push(required(at(key)));
  }
  if (maximum !== undefined && Object.keys(value).length > maximum)
    problems.push(tooMany(path, Object.keys(value).length, maximum));
  if (minimum !== undefined && Object.keys(value).length < minimum) {
    problems.push(
      invalidValue(path, Object.keys(value).length, `${path} in body should have at least ${minimum} properties`),
    );
  }
  for (const [key, item] of Object.entries(value)) {
    const field = properties[key] ?? additional;
    if (isObject(field)) problems.push(...valueProblems(item, field, at(key), oldField(key, schema, old?.value)));
  }
  return problems;
}

/** anyOf, oneOf, allOf, not. */
function combinationProblems(value: unknown, schema: JsonObject, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const nil = (message: string): FieldProblem => ({
    reason: 'FieldValueInvalid',
    field: '<nil>',
    message: `Invalid value: "": ${message}`,
  });
  const results = (name: string): FieldProblem[][] =>
    listAt(schema, name)
      .filter(isObject)
      .map((branch) => valueProblems(value, branch, path));
  const any = results('anyOf');
  if (any.length > 0 && any.every((found) => found.length > 0)) {
    problems.push(nil(`"${path}" must validate at least one schema (anyOf)`), ...(any[0] ?? []));
  }
  const one = results('oneOf');
  const fitting = one.filter((found) => found.length === 0).length;
  if (one.length > 0 && fitting !== 1) {
    const why = fitting > 1 ? `. Found ${fitting} valid alternatives` : '. Found none valid';
    problems.push(
      nil(`"${path}" must validate one and only one schema (oneOf)${why}`),
      ...(fitting === 0 ? (one[0] ?? []) : []),
    );
  }
  const all = results('allOf');
  if (all.some((found) => found.length > 0)) {
    const every = all.every((found) => found.length > 0);
    problems.push(
      nil(`"${path}" must validate all the schemas (allOf)${every ? '. None validated' : ''}`),
      ...all.flat(),
    );
  }
  const { not } = schema;
  if (isObject(not) && valueProblems(value, not, path).length === 0) {
    problems.push(nil(`"${path}" must not validate the schema (not)`));
  }
  return problems;
}

/**
 * Problems of one value; `path` names it. A value below the root that is the same as its predecessor `old` has none:
 * what is stored already may stay, even when the schema has become stricter.
 */
export function valueProblems(value: unknown, schema: JsonObject, path: string, old?: OldValue): FieldProblem[] {
  if (old !== undefined && path !== '' && equalJson(value, old.value)) return [];
  if (value === null && schema['nullable'] === true) return [];
  const problems = typeProblem(value, schema, path);
  if (problems.length > 0) return [...problems, ...combinationProblems(value, schema, path)];
  problems.push(...combinationProblems(value, schema, path));
  if (typeof value === 'number') problems.push(...numberProblems(value, schema, path));
  else if (typeof value === 'string') problems.push(...stringProblems(value, schema, path));
  else if (Array.isArray(value)) problems.push(...arrayProblems(value, schema, path, old));
  else if (isObject(value)) problems.push(...objectProblems(value, schema, path, old));
  const allowed = schema['enum'];
  if (Array.isArray(allowed) && !allowed.some((item) => equalJson(item, value))) {
    problems.push(
      notSupported(
        path,
        value,
        allowed.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))),
      ),
    );
  }
  return problems;
}

/** Problems of the whole object; enum problems come after the others, as recorded. */
export function schemaProblems(
  object: JsonObject,
  openApi: JsonObject | undefined,
  before?: JsonObject,
): FieldProblem[] {
  if (openApi === undefined) return [];
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = object;
  const requiredKeys = listAt(openApi, 'required').filter(
    (key) => key !== 'apiVersion' && key !== 'kind' && key !== 'metadata',
  );
  const old = before === undefined ? undefined : { value: before };
  const problems = valueProblems(rest, { ...openApi, required: requiredKeys }, '', old);
  const isEnum = (problem: FieldProblem): boolean => problem.reason === 'FieldValueNotSupported';
  return [...problems.filter((problem) => !isEnum(problem)), ...problems.filter(isEnum)];
}

/** Duplicates in sets and keyed lists of custom objects; checked after the schema fits. */
export function listProblems(value: unknown, schema: JsonObject | undefined, path = ''): FieldProblem[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) return listProblemsOf(value, schema, path);
  if (!isObject(value)) return [];
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const additional = schema['additionalProperties'];
  return Object.entries(value).flatMap(([key, item]) => {
    const field = properties[key] ?? additional;
    return isObject(field) ? listProblems(item, field, path === '' ? key : `${path}.${key}`) : [];
  });
}

function listProblemsOf(value: readonly unknown[], schema: JsonObject, path: string): FieldProblem[] {
  const { items } = schema;
  const kind = schema['x-kubernetes-list-type'];
  const problems: FieldProblem[] = [];
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const here = `${path}[${index}]`;
    if (kind === 'set' || kind === 'map') {
      const key = kind === 'set' ? item : keyOf(item, schema);
      const text = JSON.stringify(key);
      if (seen.has(text)) problems.push(duplicate(here, key));
      seen.add(text);
    }
    if (isObject(items)) problems.push(...listProblems(item, items, here));
  }
  return problems;
}

function keyOf(item: unknown, schema: JsonObject): JsonObject {
  const key: JsonObject = {};
  for (const name of listAt(schema, 'x-kubernetes-list-map-keys')) {
    if (typeof name === 'string' && isObject(item) && item[name] !== undefined) key[name] = item[name];
  }
  return key;
}
