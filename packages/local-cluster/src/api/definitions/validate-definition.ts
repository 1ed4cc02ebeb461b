/**
 * Validation of definitions (spec/local-cluster.md 6). In: a definition after defaulting; out: problems with the texts
 * of the API. When all versions say the same, problems name the common place (`spec.validation`), as the API does. Pure.
 */

import { invalidValue, notSupported, required } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { schemaAt } from './schema-at.ts';
import type { FieldProblem } from '../status.ts';
import { nameProblem } from '../write/names.ts';
import { structuralProblems } from './structural.ts';

function groupProblems(group: string): FieldProblem[] {
  if (group === '') return [required('spec.group')];
  const text = nameProblem(group, 'subdomain');
  if (text !== undefined) return [invalidValue('spec.group', group, text)];
  return group.includes('.') ? [] : [invalidValue('spec.group', group, 'should be a domain with at least one dot')];
}

function nameProblems(object: JsonObject): FieldProblem[] {
  const names = objectAt(object, 'spec', 'names') ?? {};
  const group = textAt(object, 'spec', 'group');
  const problems: FieldProblem[] = [];
  const plural = textAt(names, 'plural');
  const name = textAt(object, 'metadata', 'name');
  if (name !== `${plural}.${group}`) {
    problems.push(invalidValue('metadata.name', name, `must be spec.names.plural+"."+spec.group`));
  }
  problems.push(...groupProblems(group));
  for (const field of ['plural', 'singular'] as const) {
    const value = textAt(names, field);
    if (value === '') problems.push(required(`spec.names.${field}`));
    else {
      const text = nameProblem(value, 'label1035');
      if (text !== undefined) problems.push(invalidValue(`spec.names.${field}`, value, text));
    }
  }
  for (const field of ['kind', 'listKind'] as const) {
    const value = textAt(names, field);
    const text = value === '' ? undefined : nameProblem(value.toLowerCase(), 'label1035');
    if (value === '') problems.push(required(`spec.names.${field}`));
    else if (text !== undefined) {
      const shown = `may have mixed case, but should otherwise match: ${text}`;
      problems.push(invalidValue(`spec.names.${field}`, value, shown));
    }
  }
  return problems;
}

/** A version as the library prints it inside a text. */
const printed = (version: JsonObject): object => ({
  Name: version['name'],
  Served: version['served'] === true,
  Storage: version['storage'] === true,
  Deprecated: version['deprecated'] === true,
  DeprecationWarning: version['deprecationWarning'] ?? null,
  Schema: null,
  Subresources: null,
  AdditionalPrinterColumns: null,
  SelectableFields: null,
});

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];

function columnProblems(version: JsonObject, at: string): FieldProblem[] {
  return listAt(version, 'additionalPrinterColumns').flatMap((column, index) => {
    const path = `${at}additionalPrinterColumns[${index}]`;
    const type = textAt(column, 'type');
    const jsonPath = textAt(column, 'jsonPath');
    return [
      ...(textAt(column, 'name') === '' ? [required(`${path}.name`)] : []),
      ...(columnTypes.includes(type)
        ? []
        : [invalidValue(`${path}.type`, type, `must be one of ${columnTypes.join(',')}`)]),
      ...(jsonPath.startsWith('.')
        ? []
        : [invalidValue(`${path}.JSONPath`, jsonPath, 'must be a simple json path starting with .')]),
    ];
  });
}

function subresourceProblems(version: JsonObject, at: string): FieldProblem[] {
  const scale = objectAt(version, 'subresources', 'scale');
  if (scale === undefined) return [];
  return ['specReplicasPath', 'statusReplicasPath']
    .filter((field) => textAt(scale, field) === '')
    .map((field) => required(`${at}subresources.scale.${field}`));
}

function selectableProblems(version: JsonObject, at: string): FieldProblem[] {
  const schema = objectAt(version, 'schema', 'openAPIV3Schema');
  return listAt(version, 'selectableFields').flatMap((field, index) => {
    const path = textAt(field, 'jsonPath');
    const found = schemaAt(
      schema,
      path.split('.').filter((part) => part !== ''),
    );
    return found === undefined
      ? [
          invalidValue(
            `${at}selectableFields[${index}].jsonPath`,
            path,
            'is an invalid path: does not refer to a valid field',
          ),
        ]
      : [];
  });
}

function schemaProblemsOf(version: JsonObject, index: number, isCommon: boolean): FieldProblem[] {
  const own = `spec.versions[${index}].`;
  const at = isCommon ? 'spec.' : own;
  const openApi = objectAt(version, 'schema', 'openAPIV3Schema');
  if (openApi === undefined) return [required(`${own}schema.openAPIV3Schema`)];
  const path = isCommon ? 'spec.validation.openAPIV3Schema' : `${own}schema.openAPIV3Schema`;
  return [
    ...structuralProblems(openApi, path),
    ...subresourceProblems(version, at),
    ...columnProblems(version, at),
    ...selectableProblems(version, at),
  ];
}

function versionProblems(object: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const versions = listAt(object, 'spec', 'versions').filter(isObject);
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    const name = textAt(version, 'name');
    const text = nameProblem(name, 'label1035');
    if (text !== undefined) {
      problems.push(invalidValue(`spec.versions[${index}].name`, name, text));
      if (index === 0) problems.push(invalidValue('spec.version', name, text));
    }
    if (seen.has(name)) problems.push(invalidValue(`spec.versions[${index}].name`, name, 'must be unique'));
    seen.add(name);
  }
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    problems.push(
      invalidValue('spec.versions', versions.map(printed), 'must have exactly one version marked as storage version'),
    );
    return problems;
  }
  const comparable = (version: JsonObject): unknown => [
    version['schema'],
    version['subresources'],
    version['additionalPrinterColumns'],
    version['selectableFields'],
  ];
  const isCommon = versions.every((version) => equalJson(comparable(version), comparable(versions[0] ?? {})));
  const described = isCommon ? versions.slice(0, 1) : versions;
  return [...problems, ...described.flatMap((version, index) => schemaProblemsOf(version, index, isCommon))];
}

function conversionProblems(object: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (object['preserveUnknownFields'] === true) {
    problems.push(
      invalidValue('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'),
      invalidValue(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  }
  const conversion = objectAt(object, 'conversion');
  if (conversion?.['strategy'] !== 'Webhook') return problems;
  if (objectAt(conversion, 'webhook', 'clientConfig') === undefined) {
    problems.push(required('spec.conversion.webhookClientConfig', 'required when strategy is set to Webhook'));
  }
  if (listAt(conversion, 'webhook', 'conversionReviewVersions').length === 0) {
    problems.push(required('spec.conversion.conversionReviewVersions'));
  }
  return problems;
}

function approvalProblems(object: JsonObject): FieldProblem[] {
  const group = textAt(object, 'spec', 'group');
  if (!group.endsWith('.k8s.io') && !group.endsWith('.kubernetes.io')) return [];
  if (textAt(object, 'metadata', 'annotations', 'api-approved.kubernetes.io') !== '') return [];
  const text =
    'protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111';
  return [required('metadata.annotations[api-approved.kubernetes.io]', text)];
}

/** Every version that stores must be in the list of stored versions. */
function storedProblems(object: JsonObject): FieldProblem[] {
  const stored = listAt(object, 'status', 'storedVersions');
  if (stored.length === 0) return [];
  return listAt(object, 'spec', 'versions')
    .filter((version) => isObject(version) && version['storage'] === true && !stored.includes(version['name']))
    .map((version) =>
      invalidValue('status.storedVersions', stored, `must have the storage version ${textAt(version, 'name')}`),
    );
}

/** Problems of a definition. */
export function validateDefinition(object: JsonObject, before: JsonObject | undefined): FieldProblem[] {
  const problems = [
    ...nameProblems(object),
    ...conversionProblems(objectAt(object, 'spec') ?? {}),
    ...versionProblems(object),
  ];
  const scope = textAt(object, 'spec', 'scope');
  if (scope === '') problems.push(required('spec.scope'));
  else if (scope !== 'Namespaced' && scope !== 'Cluster') {
    problems.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  }
  if (listAt(object, 'status', 'storedVersions').length === 0) {
    problems.push(invalidValue('status.storedVersions', null, 'must have at least one stored version'));
  }
  problems.push(...storedProblems(object));
  if (before === undefined) problems.push(...approvalProblems(object));
  return problems;
}
