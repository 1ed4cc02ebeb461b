/** Structural rules of a definition's schema (spec/local-cluster.md 6). In: OpenAPI schema; out: problems. Pure. */

import { RE2JS } from 're2js';
import { forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import { isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';

const types = new Set(['array', 'boolean', 'integer', 'number', 'object', 'string']);
/** Deepest schema that is read. */
const maxDepth = 128;

function typeProblems(schema: JsonObject, path: string): FieldProblem[] {
  const { type } = schema;
  const isOpen =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (type === undefined || type === '') {
    return isOpen ? [] : [required(`${path}.type`, 'must not be empty for specified object fields')];
  }
  if (typeof type !== 'string' || !types.has(type)) return [notSupported(`${path}.type`, type, [...types])];
  return [];
}

function ownProblems(schema: JsonObject, path: string): FieldProblem[] {
  const problems = typeProblems(schema, path);
  const { pattern } = schema;
  if (typeof pattern === 'string') {
    try {
      RE2JS.compile(pattern);
    } catch {
      problems.push(invalidValue(`${path}.pattern`, pattern, 'must be a valid regular expression'));
    }
  }
  for (const field of [
    '$ref',
    'definitions',
    'dependencies',
    'deprecated',
    'discriminator',
    'id',
    'patternProperties',
    'readOnly',
    'writeOnly',
    'xml',
  ]) {
    if (schema[field] !== undefined) problems.push(forbiddenField(`${path}.${field}`, `${field} is not supported`));
  }
  if (schema['uniqueItems'] === true)
    problems.push(
      forbiddenField(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  if (schema['properties'] !== undefined && schema['additionalProperties'] !== undefined) {
    problems.push(
      forbiddenField(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
    );
  }
  if (schema['type'] === 'array' && schema['items'] === undefined)
    problems.push(required(`${path}.items`, 'must be specified'));
  const list = schema['x-kubernetes-list-type'];
  if (list === 'map' && listAt(schema, 'x-kubernetes-list-map-keys').length === 0) {
    problems.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
  }
  return problems;
}

/** Problems of a schema; `path` names it in the definition. */
export function structuralProblems(schema: JsonObject, path: string, depth = 0): FieldProblem[] {
  if (depth > maxDepth) return [invalidValue(path, '', 'nested too deeply')];
  const problems =
    depth === 0 && schema['type'] !== 'object' && schema['type'] !== undefined
      ? [invalidValue(`${path}.type`, schema['type'], 'must be object at the root')]
      : [];
  problems.push(...ownProblems(schema, path));
  const { properties, items, additionalProperties } = schema;
  if (isObject(properties)) {
    for (const [name, value] of Object.entries(properties)) {
      if (isObject(value) && !(depth === 0 && name === 'metadata'))
        problems.push(...structuralProblems(value, `${path}.properties[${name}]`, depth + 1));
    }
  }
  if (isObject(items)) problems.push(...structuralProblems(items, `${path}.items`, depth + 1));
  if (isObject(additionalProperties))
    problems.push(...structuralProblems(additionalProperties, `${path}.additionalProperties`, depth + 1));
  return problems;
}
