/**
 * Metadata of a written object: what the server sets itself and what it checks (spec/local-cluster.md 5). In: object,
 * resource, live object; out: problems, or the object with system fields. Pure but for uid and random name.
 */

import { createHash, randomInt, randomUUID } from 'node:crypto';
import { forbiddenField, invalidValue, required } from '../field-error.ts';
import { equalJson, isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { metadataSchema } from '../schema/from-descriptor.ts';
import type { FieldProblem } from '../status.ts';
import { labelKeyProblem, labelValueProblem, nameProblem } from './names.ts';
import type { NameRule } from './names.ts';

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
const annotationLimitBytes = 256 * 1024;

/** Five characters that follow from a text, for names that must be the same when a write starts anew. */
export const suffixOf = (text: string): string =>
  Array.from(createHash('sha256').update(text).digest().subarray(0, 5), (byte) =>
    suffixAlphabet.charAt(byte % suffixAlphabet.length),
  ).join('');

/** The name with five random characters for a prefix. */
export function randomName(prefix: string): string {
  let suffix = '';
  for (let index = 0; index < 5; index++) suffix += suffixAlphabet.charAt(randomInt(suffixAlphabet.length));
  return prefix.slice(0, 58) + suffix;
}

const nameRules: Readonly<Record<string, NameRule>> = {
  services: 'label1035',
  namespaces: 'label',
  // Checked with the signer: its name stands in front.
  'clustertrustbundles.certificates.k8s.io': 'path',
  'roles.rbac.authorization.k8s.io': 'path',
  'rolebindings.rbac.authorization.k8s.io': 'path',
  'clusterroles.rbac.authorization.k8s.io': 'path',
  'clusterrolebindings.rbac.authorization.k8s.io': 'path',
};

function mapProblems(map: unknown, field: string, valueProblem: (value: string) => string | undefined): FieldProblem[] {
  if (!isObject(map)) return [];
  return Object.entries(map).flatMap(([key, value]) => {
    const keyText = labelKeyProblem(field === 'metadata.annotations' ? key.toLowerCase() : key);
    const text = typeof value === 'string' ? valueProblem(value) : undefined;
    return [
      ...(keyText === undefined ? [] : [invalidValue(field, key, keyText)]),
      ...(text === undefined ? [] : [invalidValue(field, value, text)]),
    ];
  });
}

function annotationSize(map: unknown): number {
  if (!isObject(map)) return 0;
  return Object.entries(map).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
}

function ownerProblems(metadata: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  let controllers = 0;
  for (const owner of listAt(metadata, 'ownerReferences')) {
    if (!isObject(owner)) continue;
    for (const field of ['apiVersion', 'kind', 'name', 'uid']) {
      const value = owner[field];
      if (value !== undefined && value !== '') continue;
      const text = field === 'apiVersion' ? 'version must not be empty' : 'must not be empty';
      problems.push(invalidValue(`metadata.ownerReferences.${field}`, value ?? '', text));
    }
    if (owner['controller'] === true) controllers++;
  }
  if (controllers > 1) {
    problems.push(
      invalidValue(
        'metadata.ownerReferences',
        metadata['ownerReferences'],
        'Only one reference can have Controller set to true',
      ),
    );
  }
  return problems;
}

/** Problems of the metadata of any object. */
export function metadataProblems(resource: Resource, object: JsonObject): FieldProblem[] {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const problems: FieldProblem[] = [];
  const { name, generateName } = metadata;
  if (typeof name !== 'string' || name === '') {
    problems.push(
      required(
        typeof generateName === 'string' ? 'metadata.name' : 'metadata.name',
        'name or generateName is required',
      ),
    );
  } else {
    const text = nameProblem(name, nameRules[resource.storageName] ?? 'subdomain');
    if (text !== undefined) problems.push(invalidValue('metadata.name', name, text));
  }
  problems.push(...mapProblems(metadata['labels'], 'metadata.labels', labelValueProblem));
  problems.push(...mapProblems(metadata['annotations'], 'metadata.annotations', () => undefined));
  if (annotationSize(metadata['annotations']) > annotationLimitBytes) {
    problems.push({
      reason: 'FieldValueTooLong',
      field: 'metadata.annotations',
      message: `Too long: may not be more than ${annotationLimitBytes} bytes`,
    });
  }
  problems.push(...ownerProblems(metadata));
  for (const finalizer of listAt(metadata, 'finalizers')) {
    const text = typeof finalizer === 'string' ? labelKeyProblem(finalizer) : undefined;
    if (text !== undefined) problems.push(invalidValue('metadata.finalizers', finalizer, text));
  }
  return problems;
}

/** Warnings of the metadata: finalizers without a domain. */
export function metadataWarnings(object: JsonObject, before: JsonObject | undefined): string[] {
  const standard = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);
  const old = new Set(listAt(before, 'metadata', 'finalizers'));
  return listAt(object, 'metadata', 'finalizers')
    .filter((name) => typeof name === 'string' && !name.includes('/') && !standard.has(name) && !old.has(name))
    .map(
      (name) =>
        `metadata.finalizers: ${JSON.stringify(name)}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
    );
}

/** Problems of a change of metadata: immutable fields, finalizers while deleting. */
export function metadataUpdateProblems(object: JsonObject, before: JsonObject): FieldProblem[] {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const old = isObject(before['metadata']) ? before['metadata'] : {};
  const problems: FieldProblem[] = [];
  for (const field of ['name', 'namespace', 'uid']) {
    if (metadata[field] !== undefined && metadata[field] !== old[field]) {
      problems.push(invalidValue(`metadata.${field}`, metadata[field], 'field is immutable'));
    }
  }
  if (old['deletionTimestamp'] !== undefined) {
    const known = new Set(listAt(old, 'finalizers'));
    const added = listAt(metadata, 'finalizers').filter((name) => !known.has(name));
    if (added.length > 0) {
      problems.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`,
        ),
      );
    }
  }
  return problems;
}

/** Metadata of a new object: uid, time and generation set, everything a client may not set removed. */
export function createMetadata(
  resource: Resource,
  sent: JsonObject,
  namespace: string | undefined,
  time: string,
): JsonObject {
  const metadata: JsonObject = { ...sent };
  for (const field of [
    'selfLink',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'uid',
    'creationTimestamp',
  ]) {
    delete metadata[field];
  }
  if (namespace === undefined) delete metadata['namespace'];
  else metadata['namespace'] = namespace;
  if (
    (metadata['name'] === undefined || metadata['name'] === '') &&
    typeof metadata['generateName'] === 'string' &&
    metadata['generateName'] !== ''
  ) {
    metadata['name'] = randomName(metadata['generateName']);
  }
  metadata['uid'] = randomUUID();
  metadata['creationTimestamp'] = time;
  if (resource.hasGeneration) metadata['generation'] = 1;
  return dropEmpty(metadata);
}

/** Metadata of a changed object: system fields are those of the live one. */
export function updateMetadata(sent: JsonObject, live: JsonObject): JsonObject {
  const metadata: JsonObject = { ...sent };
  delete metadata['selfLink'];
  for (const field of [
    'creationTimestamp',
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generateName',
  ]) {
    if (live[field] === undefined) delete metadata[field];
    else metadata[field] = live[field];
  }
  for (const field of ['name', 'namespace', 'uid']) {
    if (metadata[field] === undefined || metadata[field] === '') metadata[field] = live[field];
  }
  if (metadata['namespace'] === undefined) delete metadata['namespace'];
  return dropEmpty(metadata);
}

/** Nulls and empty maps and lists of metadata are not stored. */
function dropEmpty(metadata: JsonObject): JsonObject {
  for (const [key, value] of Object.entries(metadata)) {
    const isEmpty =
      value === null || value === '' || (Array.isArray(value) && value.length === 0 && key !== 'managedFields');
    if (isEmpty || (isObject(value) && Object.keys(value).length === 0)) delete metadata[key];
  }
  return metadata;
}

/** Undeclared metadata fields, removed from a copy and named. */
export function knownMetadata(metadata: JsonObject): { metadata: JsonObject; unknown: string[] } {
  const known = metadataSchema.properties?.();
  const unknown: string[] = [];
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(metadata)) {
    if (known === undefined || known.has(key)) result[key] = value;
    else unknown.push(`metadata.${key}`);
  }
  return { metadata: result, unknown };
}

/** True when two objects differ only in managedFields times and resourceVersion. */
export function isSameObject(a: JsonObject, b: JsonObject): boolean {
  return equalJson(comparable(a), comparable(b));
}

function comparable(object: JsonObject): JsonObject {
  const metadata = isObject(object['metadata']) ? { ...object['metadata'] } : {};
  delete metadata['resourceVersion'];
  const fields = metadata['managedFields'];
  if (Array.isArray(fields))
    metadata['managedFields'] = fields.map((entry) => (isObject(entry) ? { ...entry, time: undefined } : entry));
  return { ...object, metadata };
}
