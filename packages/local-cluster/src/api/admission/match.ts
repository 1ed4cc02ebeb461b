/**
 * Whether a webhook or policy is meant (spec/local-cluster.md 6). In: its rules and selectors, the operation; out: the
 * version of the resource it asks for, or undefined. Reads namespaces from the store.
 */

import type { ObjectStore } from '../../store/object-store.ts';
import { isObject, listAt, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { labelSelectorOf } from '../read/label-selector.ts';
import type { Labels } from '../read/label-selector.ts';
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';
import type { AdmissionTarget } from './target.ts';

/** Kinds that nothing may guard: a mistake there could not be undone. */
const unguarded = new Set([
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io',
]);

/** What matching reads. */
export interface MatchEnvironment {
  readonly store: ObjectStore;
  readonly registry: Registry;
}

const includes = (list: readonly unknown[], value: string): boolean => list.includes('*') || list.includes(value);

function matchesResource(rule: unknown, { resource, subresource }: AdmissionTarget): boolean {
  return listAt(rule, 'resources').some((item) => {
    if (typeof item !== 'string') return false;
    const [plural = '', part] = item.split('/');
    const fits = plural === '*' || plural === resource.resource;
    // A lone `*` means all resources, not their parts; `*/*` means both.
    return fits && (part === '*' ? true : part === subresource);
  });
}

function matchesRule(rule: unknown, target: AdmissionTarget, version: string): boolean {
  const { resource, operation, name } = target;
  const scope = textAt(rule, 'scope');
  const names = listAt(rule, 'resourceNames');
  return (
    includes(listAt(rule, 'apiGroups'), resource.group) &&
    includes(listAt(rule, 'apiVersions'), version) &&
    includes(listAt(rule, 'operations'), operation) &&
    matchesResource(rule, target) &&
    (scope === '' || scope === '*' || (scope === 'Namespaced') === resource.namespaced) &&
    (names.length === 0 || names.includes(name))
  );
}

/** The served version of the resource that some rule asks for; the request's own comes first. */
function matchedVersion(
  rules: readonly unknown[],
  target: AdmissionTarget,
  isEquivalent: boolean,
  registry: Registry,
): Resource | undefined {
  const { resource } = target;
  if (rules.some((rule) => matchesRule(rule, target, resource.version))) return resource;
  if (!isEquivalent) return undefined;
  for (const other of registry.all()) {
    const isSame = other.storageName === resource.storageName && other.group === resource.group;
    if (isSame && other !== resource && rules.some((rule) => matchesRule(rule, target, other.version))) return other;
  }
  return undefined;
}

function labelsOf(object: JsonObject | null | undefined): Labels {
  const labels = valueAt(object, ['metadata', 'labels']);
  return isObject(labels) ? (labels as Labels) : undefined;
}

function matchesNamespace(
  selector: unknown,
  target: AdmissionTarget,
  object: JsonObject | null,
  store: ObjectStore,
): boolean {
  if (!isObject(selector) || Object.keys(selector).length === 0) return true;
  const test = labelSelectorOf(selector);
  if (target.resource.storageName === 'namespaces') return test(labelsOf(object));
  if (target.namespace === undefined) return true;
  return test(store.get('namespaces', '', target.namespace)?.metadata.labels);
}

function matchesObject(selector: unknown, object: JsonObject | null, oldObject: JsonObject | null): boolean {
  if (!isObject(selector) || Object.keys(selector).length === 0) return true;
  const test = labelSelectorOf(selector);
  return [object, oldObject].some((item) => item !== null && test(labelsOf(item)));
}

/** The version to hand over, when `constraints` (a webhook, or the match part of a policy) mean this operation. */
export function matchOf(
  constraints: JsonObject,
  rules: readonly unknown[],
  target: AdmissionTarget,
  objects: { readonly object: JsonObject | null; readonly oldObject: JsonObject | null },
  { store, registry }: MatchEnvironment,
): Resource | undefined {
  if (unguarded.has(target.resource.storageName)) return undefined;
  const isEquivalent = textAt(constraints, 'matchPolicy') !== 'Exact';
  const excluded = listAt(constraints, 'excludeResourceRules');
  if (excluded.length > 0 && matchedVersion(excluded, target, isEquivalent, registry) !== undefined) return undefined;
  const matched = matchedVersion(rules, target, isEquivalent, registry);
  if (matched === undefined) return undefined;
  const { object, oldObject } = objects;
  if (!matchesNamespace(constraints['namespaceSelector'], target, object ?? oldObject, store)) return undefined;
  return matchesObject(constraints['objectSelector'], object, oldObject) ? matched : undefined;
}
