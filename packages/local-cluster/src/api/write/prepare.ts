/**
 * The steps every written object takes between decoding and storing: defaults, admission, validation. In: a clean
 * object; out: the object to store, or an `ApiError` 422. Called by create and update. Pure but for admission steps.
 */

import { schemaAt } from '../definitions/schema-at.ts';
import { listProblems, schemaProblems, valueProblems } from '../definitions/validate.ts';
import { validateDefinition } from '../definitions/validate-definition.ts';
import { ruleProblems } from '../definitions/rules.ts';
import { fillDefaults } from '../definitions/fill-defaults.ts';
import { builtinDefaults } from '../defaults/builtin-defaults.ts';
import { builtinProblems, builtinUpdateProblems } from './builtin-validation.ts';
import { invalidValue } from '../field-error.ts';
import { isObject, valueAt, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { invalid } from '../status.ts';
import type { FieldProblem } from '../status.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { AdmissionRequest, WriteEnvironment } from './context.ts';
import { metadataProblems, metadataUpdateProblems } from './metadata.ts';

/** Fills defaults; what is there stays. */
export const withDefaults = (resource: Resource, object: JsonObject, before: JsonObject | undefined): JsonObject =>
  resource.custom === undefined
    ? builtinDefaults(resource, object, before)
    : fillDefaults(object, resource.custom.openApi);

/** Runs the cluster's own admission steps. */
export function admit(environment: WriteEnvironment, request: AdmissionRequest): JsonObject {
  let { object } = request;
  for (const step of environment.admission) object = step({ ...request, object });
  return object as unknown as JsonObject;
}

/** Only the status, worded as the library does: paths in texts start at the status, fields at the object. */
function statusProblems(resource: Resource, object: JsonObject, before: JsonObject | undefined): FieldProblem[] {
  const schema = schemaAt(resource.custom?.openApi, ['status']);
  const status = object['status'];
  if (schema === undefined || status === undefined) return [];
  const old = before?.['status'];
  const found = valueProblems(status, schema, '', old === undefined ? undefined : { value: old });
  const problems = [...found, ...listProblems(status, schema)].map((problem) => ({
    ...problem,
    field: problem.field.startsWith('<') ? problem.field : `status.${problem.field}`,
  }));
  const path = resource.scale?.statusReplicas;
  const replicas = path === undefined ? undefined : valueAt(object, path);
  if (path !== undefined && replicas !== undefined && typeof replicas !== 'number') {
    const field = `.${path.join('.')}`;
    const text = `${field} accessor error: ${shown(replicas)} is of the type ${typeof replicas}, expected int64`;
    problems.push(invalidValue(field, 0, text));
  }
  return problems;
}

function scaleProblems(resource: Resource, object: JsonObject): FieldProblem[] {
  if (resource.custom === undefined || resource.scale === undefined) return [];
  const path = resource.scale.specReplicas;
  const parent = valueAt(object, path.slice(0, -1));
  const field = `.${path.join('.')}`;
  if (parent !== undefined && !isObject(parent)) {
    return [
      invalidValue(
        field,
        0,
        `${field} accessor error: ${shown(parent)} is of the type ${typeof parent}, expected map[string]interface{}`,
      ),
    ];
  }
  const value = valueAt(object, path);
  return typeof value === 'number' && value < 0 ? [invalidValue(field, value, 'should be a non-negative integer')] : [];
}

/** Lists that repeat keys; not held against an update of an object that did so before. */
function newListProblems(object: JsonObject, before: JsonObject | undefined, openApi: JsonObject): FieldProblem[] {
  const problemsOf = ({ metadata: _metadata, ...rest }: JsonObject): FieldProblem[] => listProblems(rest, openApi);
  const problems = problemsOf(object);
  return problems.length > 0 && before !== undefined && problemsOf(before).length > 0 ? [] : problems;
}

function customProblems(resource: Resource, object: JsonObject, before: JsonObject | undefined): FieldProblem[] {
  const openApi = resource.custom?.openApi;
  const problems = schemaProblems(object, openApi, before);
  if (problems.length === 0 && openApi !== undefined) {
    problems.push(...newListProblems(object, before, openApi));
  }
  return [...problems, ...ruleProblems(object, before, openApi, problems), ...scaleProblems(resource, object)];
}

/** Refuses an object that does not hold; `before` is the live object of an update. */
export function validateObject(
  resource: Resource,
  object: JsonObject,
  before: JsonObject | undefined,
  subresource?: string,
): void {
  const problems: FieldProblem[] = [];
  if (before !== undefined) {
    const changes = metadataUpdateProblems(object, before);
    // The library checks the metadata of custom objects twice; the causes show it.
    problems.push(...changes, ...(resource.custom === undefined ? [] : changes));
  }
  problems.push(...metadataProblems(resource, object));
  if (resource.custom !== undefined && subresource === 'status') {
    const found = statusProblems(resource, object, before);
    problems.push(...found, ...ruleProblems(object, before, resource.custom.openApi, found));
  } else if (resource.custom !== undefined) problems.push(...customProblems(resource, object, before));
  else if (resource.storageName === 'customresourcedefinitions.apiextensions.k8s.io') {
    problems.push(...validateDefinition(object, before));
  } else {
    problems.push(...builtinProblems(resource, object));
    if (before !== undefined) problems.push(...builtinUpdateProblems(resource, object, before));
  }
  if (problems.length === 0) return;
  const name = shown(valueAt(object, ['metadata', 'name']) ?? '');
  throw invalid({ group: resource.group, kind: resource.kind }, name, problems);
}

/** The object as the store and admission know it. */
export const asKubeObject = (object: JsonObject): KubeObject => object as unknown as KubeObject;
