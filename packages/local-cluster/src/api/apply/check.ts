/**
 * Checks an applied configuration against the schema the way the structured-merge library words it
 * (`failed to create typed patch object (...)`). In: value and schema; out: problem texts. Called by apply. Pure.
 */

import { isObject } from '../json.ts';
import { fieldSchema, itemSchema } from '../schema/schema.ts';
import type { Schema } from '../schema/schema.ts';
import { elementOf, formatPath } from './field-set.ts';

const typeName = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'boolean';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float';
    default:
      return 'map';
  }
};

function scalarProblem(schema: Schema, value: unknown): string | undefined {
  if (value === null) return undefined;
  const found = typeName(value);
  const expected: Partial<Record<Schema['type'], readonly [string, ReadonlySet<string>]>> = {
    string: ['string', new Set(['string'])],
    boolean: ['boolean', new Set(['boolean'])],
    integer: ['numeric (int or float)', new Set(['int', 'float'])],
    number: ['numeric (int or float)', new Set(['int', 'float'])],
    'int-or-string': ['string or int', new Set(['int', 'float', 'string'])],
  };
  const rule = expected[schema.type];
  return rule === undefined || rule[1].has(found) ? undefined : `expected ${rule[0]}, got ${found}`;
}

function listProblems(schema: Schema, value: readonly unknown[], path: string): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const items = itemSchema(schema);
  for (const [index, item] of value.entries()) {
    if (schema.list === 'map') {
      const names = schema.listKeys ?? [];
      const has =
        isObject(item) && names.some((name) => item[name] !== undefined || schema.keyDefaults?.[name] !== undefined);
      if (!has) {
        problems.push(
          `${path}: element ${index}: associative list with keys has an element that omits all key fields ` +
            `[${names.map((name) => `"${name}"`).join(' ')}] (and doesn't have default values for any key fields)`,
        );
        continue;
      }
    }
    const element = elementOf(schema, item, index);
    const place = formatPath([element]);
    if (schema.list === 'set' || schema.list === 'map') {
      if (seen.has(element)) problems.push(`${path}: duplicate entries for key ${place}`);
      seen.add(element);
    }
    problems.push(...typedProblems(items, item, `${path}${place}`));
  }
  return problems;
}

/** Problem texts, each with its path; empty when the value fits. */
export function typedProblems(schema: Schema | undefined, value: unknown, path: string): string[] {
  if (schema === undefined || schema.type === 'any' || value === null || value === undefined) return [];
  if (schema.type === 'array') {
    return Array.isArray(value)
      ? listProblems(schema, value, path)
      : [`${path}: expected list, got ${typeName(value)}`];
  }
  if (schema.type !== 'object') {
    const problem = scalarProblem(schema, value);
    return problem === undefined ? [] : [`${path}: ${problem}`];
  }
  if (!isObject(value)) return [`${path}: expected map, got ${typeName(value)}`];
  return Object.entries(value).flatMap(([key, item]) => {
    const field = fieldSchema(schema, key);
    if (field === undefined) {
      return schema.preserveUnknown === true ? [] : [`${path}.${key}: field not declared in schema`];
    }
    return typedProblems(field, item, `${path}.${key}`);
  });
}
