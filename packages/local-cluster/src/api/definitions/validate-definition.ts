/**
 * Validation of definitions (spec/local-cluster.md 6). In: a definition after defaulting; out: problems with the texts
 * of the API. Pure.
 */

import { invalidValue, notSupported, required } from '../field-error.ts';
import { isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { nameProblem } from '../write/names.ts';
import { structuralProblems } from './structural.ts';

function nameProblems(object: JsonObject): FieldProblem[] {
  const names = objectAt(object, 'spec', 'names') ?? {};
  const problems: FieldProblem[] = [];
  const group = textAt(object, 'spec', 'group');
  if (group === '') problems.push(required('spec.group'));
  const plural = textAt(names, 'plural');
  const wanted = `${plural}.${group}`;
  const name = textAt(object, 'metadata', 'name');
  if (name !== wanted) problems.push(invalidValue('metadata.name', name, `must be spec.names.plural+"."+spec.group`));
  if (plural === '') problems.push(required('spec.names.plural'));
  for (const field of ['plural', 'singular'] as const) {
    const value = textAt(names, field);
    const text = value === '' ? undefined : nameProblem(value, 'label1035');
    if (text !== undefined) problems.push(invalidValue(`spec.names.${field}`, value, text));
  }
  for (const field of ['kind', 'listKind'] as const) {
    const value = textAt(names, field);
    if (value === '') problems.push(required(`spec.names.${field}`));
    else {
      const text = nameProblem(value.toLowerCase(), 'label1035');
      if (text !== undefined)
        problems.push(
          invalidValue(`spec.names.${field}`, value, `may have mixed case, but should otherwise match: ${text}`),
        );
    }
  }
  return problems;
}

function versionProblems(object: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const versions = listAt(object, 'spec', 'versions').filter(isObject);
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    const at = `spec.versions[${index}]`;
    const name = textAt(version, 'name');
    const text = nameProblem(name, 'label1035');
    if (text !== undefined) problems.push(invalidValue(`${at}.name`, name, text));
    if (seen.has(name)) problems.push(invalidValue(`${at}.name`, name, 'must be unique'));
    seen.add(name);
    const openApi = objectAt(version, 'schema', 'openAPIV3Schema');
    if (openApi === undefined) problems.push(required(`${at}.schema.openAPIV3Schema`, 'schemas are required'));
    else problems.push(...structuralProblems(openApi, `${at}.schema.openAPIV3Schema`));
  }
  const stored = versions.filter((version) => version['storage'] === true).length;
  if (stored !== 1)
    problems.push(
      invalidValue(
        'spec.versions',
        listAt(object, 'spec', 'versions'),
        'must have exactly one version marked as storage version',
      ),
    );
  return problems;
}

/** Problems of a definition. */
export function validateDefinition(object: JsonObject, before: JsonObject | undefined): FieldProblem[] {
  const problems = [...nameProblems(object), ...versionProblems(object)];
  const scope = textAt(object, 'spec', 'scope');
  if (scope === '') problems.push(required('spec.scope'));
  else if (scope !== 'Namespaced' && scope !== 'Cluster')
    problems.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  const group = textAt(object, 'spec', 'group');
  if ((group.endsWith('.k8s.io') || group.endsWith('.kubernetes.io')) && before === undefined) {
    const approved = textAt(object, 'metadata', 'annotations', 'api-approved.kubernetes.io');
    if (approved === '') {
      problems.push(
        required(
          'metadata.annotations[api-approved.kubernetes.io]',
          'protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
        ),
      );
    }
  }
  return problems;
}
