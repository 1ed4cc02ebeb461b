/** Structural rules of a definition's schema (spec/local-cluster.md 6). In: OpenAPI schema; out: problems. Pure. */

import { RE2JS } from 're2js';
import { forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import { isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { ruleDeclarationProblems } from './rule-declarations.ts';
import { valueProblems } from './validate.ts';

const types = new Set(['array', 'boolean', 'integer', 'number', 'object', 'string']);
/** Deepest schema that is read. */
const maxDepth = 128;

function typeProblems(schema: JsonObject, path: string): FieldProblem[] {
  const { type } = schema;
  const isOpen =
    schema['x-kubernetes-int-or-string'] === true ||
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    // A reference is refused below; it needs no type.
    schema['$ref'] !== undefined;
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
      problems.push(
        invalidValue(
          `${path}.pattern`,
          pattern,
          `must be a valid regular expression, but isn't: error parsing regexp: ${JSON.stringify(pattern)}`,
        ),
      );
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

/** Keys of keyed lists must be there: required or defaulted. */
function keyProblems(schema: JsonObject, path: string): FieldProblem[] {
  const { items } = schema;
  if (schema['x-kubernetes-list-type'] !== 'map' || !isObject(items)) return [];
  const properties = isObject(items['properties']) ? items['properties'] : {};
  return listAt(schema, 'x-kubernetes-list-map-keys').flatMap((key) => {
    const field = typeof key === 'string' ? properties[key] : undefined;
    if (!isObject(field) || field['default'] !== undefined || listAt(items, 'required').includes(key)) return [];
    const text = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
    return [required(`${path}.items.properties[${String(key)}].default`, text)];
  });
}

/** A default must fit its own schema. */
function defaultProblems(schema: JsonObject, path: string): FieldProblem[] {
  const value = schema['default'];
  if (value === undefined) return [];
  return valueProblems(value, schema, '').map((problem) => ({
    ...problem,
    field: `${path}.default${problem.field === '' ? '' : `.${problem.field}`}`,
  }));
}

/** Branches of combinations may only narrow values. */
function branchProblems(schema: JsonObject, path: string): FieldProblem[] {
  return ['anyOf', 'allOf', 'oneOf'].flatMap((name) =>
    listAt(schema, name).flatMap((branch, index) => {
      if (!isObject(branch) || branch['type'] === undefined || schema['x-kubernetes-int-or-string'] === true) return [];
      return [forbiddenField(`${path}.${name}[${index}].type`, 'must be empty to be structural')];
    }),
  );
}

/** At the root only name and generateName of metadata may be restricted. */
function rootMetadataProblems(metadata: JsonObject, path: string): FieldProblem[] {
  const { type: _type, properties, ...rest } = metadata;
  const names = isObject(properties) ? Object.keys(properties) : [];
  const isAllowed = Object.keys(rest).length === 0 && names.every((name) => name === 'name' || name === 'generateName');
  return isAllowed
    ? []
    : [
        forbiddenField(
          path,
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        ),
      ];
}

/** Problems of a schema; `path` names it in the definition, `uncorrelated` the list or map above it whose elements have no old value. */
export function structuralProblems(schema: JsonObject, path: string, depth = 0, uncorrelated?: string): FieldProblem[] {
  if (depth > maxDepth) return [invalidValue(path, '', 'nested too deeply')];
  const problems =
    depth === 0 && schema['type'] !== 'object' && schema['type'] !== undefined
      ? [invalidValue(`${path}.type`, schema['type'], 'must be object at the root')]
      : [];
  if (problems.length === 0) problems.push(...ownProblems(schema, path));
  problems.push(...keyProblems(schema, path), ...defaultProblems(schema, path), ...branchProblems(schema, path));
  problems.push(...ruleDeclarationProblems(schema, path, uncorrelated));
  const below = uncorrelated ?? (schema['x-kubernetes-map-type'] === 'atomic' ? path : undefined);
  const isKeyed = schema['x-kubernetes-list-type'] === 'map';
  const { properties, items, additionalProperties } = schema;
  if (isObject(properties)) {
    for (const [name, value] of Object.entries(properties)) {
      if (!isObject(value)) continue;
      const here = `${path}.properties[${name}]`;
      const isMetadata = depth === 0 && name === 'metadata';
      problems.push(
        ...(isMetadata ? rootMetadataProblems(value, here) : structuralProblems(value, here, depth + 1, below)),
      );
    }
  }
  if (isObject(items))
    problems.push(...structuralProblems(items, `${path}.items`, depth + 1, isKeyed ? below : (below ?? path)));
  if (isObject(additionalProperties))
    problems.push(...structuralProblems(additionalProperties, `${path}.additionalProperties`, depth + 1, below));
  return problems;
}
