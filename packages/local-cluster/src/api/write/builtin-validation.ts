/**
 * Validation of builtin kinds: the few rules users hit (spec/local-cluster.md 6). In: object after defaulting; out:
 * problems with field paths. Pure.
 */

import { isIP } from 'node:net';
import { duplicate, invalidValue, required } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { labelSelectorOf } from '../read/label-selector.ts';
import type { Resource } from '../resources/resource.ts';
import type { FieldProblem } from '../status.ts';
import { cronJobProblems, jobSpecProblems, jobUpdateProblems } from './batch-validation.ts';
import { trustBundleProblems } from './bundle-validation.ts';
import { nameProblem } from './names.ts';
import { podUpdateProblems } from './pod-changes.ts';

const isPort = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
const portText = 'must be between 1 and 65535, inclusive';

function containerProblems(container: JsonObject, path: string, seen: Set<string>): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const name = textAt(container, 'name');
  if (name === '') problems.push(required(`${path}.name`));
  else {
    const text = nameProblem(name, 'label');
    if (text !== undefined) problems.push(invalidValue(`${path}.name`, name, text));
    if (seen.has(name)) problems.push(duplicate(`${path}.name`, name));
    seen.add(name);
  }
  if (textAt(container, 'image') === '') problems.push(required(`${path}.image`));
  for (const [index, port] of listAt(container, 'ports').entries()) {
    const number = valueAt(port, ['containerPort']);
    if (number === undefined) problems.push(required(`${path}.ports[${index}].containerPort`));
    else if (!isPort(number)) problems.push(invalidValue(`${path}.ports[${index}].containerPort`, number, portText));
  }
  return problems;
}

/** Problems of a pod's spec; `claimed` are names of volumes that come from elsewhere. */
function podSpecProblems(spec: unknown, path: string, claimed: readonly string[] = []): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const seen = new Set<string>();
  const containers = listAt(spec, 'containers').filter(isObject);
  if (containers.length === 0) problems.push(required(`${path}.containers`));
  const volumes = new Set([...claimed, ...listAt(spec, 'volumes').map((volume) => textAt(volume, 'name'))]);
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, container] of listAt(spec, list).filter(isObject).entries()) {
      const at = `${path}.${list}[${index}]`;
      problems.push(...containerProblems(container, at, seen));
      for (const [place, mount] of listAt(container, 'volumeMounts').entries()) {
        const name = textAt(mount, 'name');
        if (name === '') problems.push(required(`${at}.volumeMounts[${place}].name`));
        else if (!volumes.has(name)) {
          problems.push({
            reason: 'FieldValueNotFound',
            field: `${at}.volumeMounts[${place}].name`,
            message: `Not found: ${JSON.stringify(name)}`,
          });
        }
      }
    }
  }
  return problems;
}

function workloadProblems(object: JsonObject): FieldProblem[] {
  const selector = valueAt(object, ['spec', 'selector']);
  const problems: FieldProblem[] = [];
  const replicas = valueAt(object, ['spec', 'replicas']);
  if (typeof replicas === 'number' && replicas < 0)
    problems.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  if (!isObject(selector)) problems.push(required('spec.selector'));
  else if (Object.keys(selector).length === 0) {
    problems.push(invalidValue('spec.selector', {}, 'empty selector is invalid for deployment'));
  } else {
    const labels = objectAt(object, 'spec', 'template', 'metadata', 'labels') ?? {};
    if (!labelSelectorOf(selector)(labels as Record<string, string>)) {
      problems.push(
        invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
      );
    }
  }
  const claimed = listAt(object, 'spec', 'volumeClaimTemplates').map((claim) => textAt(claim, 'metadata', 'name'));
  const spec = valueAt(object, ['spec', 'template', 'spec']);
  return [...problems, ...podSpecProblems(spec, 'spec.template.spec', claimed)];
}

const addressText = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

/** Problems of a Service's cluster addresses: their form, and that the two fields agree. */
function clusterAddressProblems(object: JsonObject, type: string): FieldProblem[] {
  const field = 'spec.clusterIPs';
  const first = textAt(object, 'spec', 'clusterIP');
  const all = listAt(object, 'spec', 'clusterIPs');
  if (first === '' && all.length === 0) return [];
  if (type === 'ExternalName')
    return [{ reason: 'FieldValueForbidden', field, message: 'Forbidden: may not be set for ExternalName services' }];
  const problems: FieldProblem[] = [];
  if (first !== '' && all.length > 0 && all[0] !== first)
    problems.push(invalidValue(field, all, 'first value must match `clusterIP`'));
  if (all.length > 2) problems.push(invalidValue(field, all, 'may only hold up to 2 values'));
  for (const [index, address] of all.entries()) {
    if (address === 'None' && index === 0) {
      if (all.length > 1) problems.push(invalidValue(field, all, "'None' must be the first and only value"));
    } else if (typeof address !== 'string' || isIP(address) === 0) {
      problems.push(invalidValue(`${field}[${index}]`, address, addressText));
    }
  }
  return problems;
}

function serviceProblems(object: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const ports = listAt(object, 'spec', 'ports').filter(isObject);
  const type = textAt(object, 'spec', 'type');
  const isHeadless = textAt(object, 'spec', 'clusterIP') === 'None';
  if (!['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'].includes(type)) {
    problems.push({
      reason: 'FieldValueNotSupported',
      field: 'spec.type',
      message: `Unsupported value: ${JSON.stringify(type)}: supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"`,
    });
  }
  if (ports.length === 0 && !isHeadless && type !== 'ExternalName') problems.push(required('spec.ports'));
  if (type === 'ExternalName' && textAt(object, 'spec', 'externalName') === '')
    problems.push(required('spec.externalName'));
  problems.push(...clusterAddressProblems(object, type));
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    if (!isPort(port['port'])) problems.push(invalidValue(`${at}.port`, port['port'] ?? 0, portText));
    const name = textAt(port, 'name');
    if (name === '' && ports.length > 1) problems.push(required(`${at}.name`));
    if (name !== '' && names.has(name)) problems.push(duplicate(`${at}.name`, name));
    names.add(name);
  }
  return problems;
}

/** A cluster address stays for the life of a Service, unless the Service becomes or was an external name. */
function clusterAddressChange(object: JsonObject, before: JsonObject): FieldProblem[] {
  const isExternal = [object, before].some((each) => textAt(each, 'spec', 'type') === 'ExternalName');
  const old = textAt(before, 'spec', 'clusterIP');
  if (isExternal || old === '' || textAt(object, 'spec', 'clusterIP') === old) return [];
  return [invalidValue('spec.clusterIPs[0]', listAt(object, 'spec', 'clusterIPs'), 'may not change once set')];
}

const rules: Readonly<Record<string, (object: JsonObject) => FieldProblem[]>> = {
  pods: (object) => podSpecProblems(object['spec'], 'spec'),
  services: serviceProblems,
  'deployments.apps': workloadProblems,
  'replicasets.apps': workloadProblems,
  'daemonsets.apps': workloadProblems,
  'statefulsets.apps': workloadProblems,
  'jobs.batch': (object) => [
    ...jobSpecProblems(objectAt(object, 'spec') ?? {}, 'spec'),
    ...podSpecProblems(valueAt(object, ['spec', 'template', 'spec']), 'spec.template.spec'),
  ],
  'cronjobs.batch': (object) => [
    ...cronJobProblems(object),
    ...podSpecProblems(
      valueAt(object, ['spec', 'jobTemplate', 'spec', 'template', 'spec']),
      'spec.jobTemplate.spec.template.spec',
    ),
  ],
  'clustertrustbundles.certificates.k8s.io': trustBundleProblems,
  'rolebindings.rbac.authorization.k8s.io': (object) =>
    textAt(object, 'roleRef', 'name') === '' ? [required('roleRef.name')] : [],
  'clusterrolebindings.rbac.authorization.k8s.io': (object) =>
    textAt(object, 'roleRef', 'name') === '' ? [required('roleRef.name')] : [],
};

/** Problems of a builtin object. */
export const builtinProblems = (resource: Resource, object: JsonObject): FieldProblem[] =>
  rules[resource.storageName]?.(object) ?? [];

const immutable: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'deployments.apps': [['spec', 'selector']],
  'replicasets.apps': [['spec', 'selector']],
  'daemonsets.apps': [['spec', 'selector']],
  'jobs.batch': [
    ['spec', 'selector'],
    ['spec', 'completionMode'],
  ],
  'clustertrustbundles.certificates.k8s.io': [['spec', 'signerName']],
  'rolebindings.rbac.authorization.k8s.io': [['roleRef']],
  'clusterrolebindings.rbac.authorization.k8s.io': [['roleRef']],
};

const CHANGEABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];
const FIXED_TEXT = `Forbidden: updates to statefulset spec for fields other than ${CHANGEABLE.slice(0, -1)
  .map((field) => `'${field}'`)
  .join(', ')} and 'minReadySeconds' are forbidden`;

function hasFixedChange(object: JsonObject, before: JsonObject): boolean {
  const fixed = (value: JsonObject): object =>
    Object.fromEntries(Object.entries(objectAt(value, 'spec') ?? {}).filter(([field]) => !CHANGEABLE.includes(field)));
  return !equalJson(fixed(object), fixed(before));
}

/** Problems of a change of a builtin object: immutable fields. */
export function builtinUpdateProblems(resource: Resource, object: JsonObject, before: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const path of immutable[resource.storageName] ?? []) {
    const next = valueAt(object, path);
    if (!equalJson(next, valueAt(before, path)))
      problems.push(invalidValue(path.join('.'), next ?? null, 'field is immutable'));
  }
  if (resource.storageName === 'statefulsets.apps' && hasFixedChange(object, before)) {
    problems.push({ reason: 'FieldValueForbidden', field: 'spec', message: FIXED_TEXT });
  }
  if (resource.storageName === 'pods') problems.push(...podUpdateProblems(object, before));
  if (resource.storageName === 'jobs.batch') problems.push(...jobUpdateProblems(object, before));
  if (resource.storageName === 'services') problems.push(...clusterAddressChange(object, before));
  if (before['immutable'] === true && (resource.storageName === 'configmaps' || resource.storageName === 'secrets')) {
    for (const field of ['data', 'binaryData', 'immutable']) {
      if (!equalJson(object[field], before[field]))
        problems.push({
          reason: 'FieldValueForbidden',
          field,
          message: 'Forbidden: field is immutable when `immutable` is set',
        });
    }
  }
  return problems;
}
