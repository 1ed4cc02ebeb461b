/**
 * PATCH: four formats over one update (spec/local-cluster.md 5). In: decoded patch and its type; out: the stored
 * object. Called by HTTP and by the in-process API. Main thread; nothing awaits between read and store.
 */

import { isMadeOf, wordCharacters } from '../characters.ts';
import { applyConfiguration } from '../apply/managed-fields.ts';
import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { PatchType } from '../object-api.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { goMap } from '../patch/go-map.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import { mergeObjects } from '../patch/strategic-merge.ts';
import { ApiError, badRequest, conflict, invalid, notFound } from '../status.ts';
import { invalidValue } from '../field-error.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { fieldTexts } from './clean-body.ts';
import { timeText } from './context.ts';
import type { WriteContext, WriteEnvironment } from './context.ts';
import { createObject } from './create.ts';
import { cleanObject } from './fields.ts';
import { checkNamespace } from './namespaces.ts';
import { updateObject } from './update.ts';
import type { UpdateTarget } from './update.ts';

/** A decoded patch. */
export interface PatchRequest {
  readonly type: PatchType;
  readonly patch: unknown;
  readonly force: boolean;
  /** Paths given twice in the body. */
  readonly duplicates?: readonly string[];
}

/** The stored object; `created` when an apply made it. */
export interface PatchResult {
  readonly object: KubeObject;
  readonly created: boolean;
}

const metadataOf = (object: unknown): JsonObject =>
  isObject(object) && isObject(object['metadata']) ? object['metadata'] : {};

function patched(target: UpdateTarget, request: PatchRequest, live: JsonObject): JsonObject {
  const { patch } = request;
  if (request.type === 'json') return jsonPatch(live, patch);
  if (!isObject(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${Array.isArray(patch) ? 'array' : typeof patch} into Go value of type map[string]interface {}`,
    );
  }
  if (request.type === 'strategic') return mergeObjects(target.resource.schema, live, patch);
  return mergePatch(live, patch) as JsonObject;
}

/** The last word of `... of type X`, or undefined. */
function typeNamedBy(message: string): string | undefined {
  const [type, before] = message.split(' of type ').toReversed();
  return before !== undefined && type !== undefined && isMadeOf(type, wordCharacters) ? type : undefined;
}

/** Field validation of what a patch made, worded as patches are. */
function cleanPatched(
  target: UpdateTarget,
  next: JsonObject,
  request: PatchRequest,
  context: WriteContext,
): JsonObject {
  const { resource } = target;
  const invalidPatch = (shown: unknown, text: string): ApiError =>
    invalid({ group: '', kind: '' }, '', [invalidValue('patch', shown, text)]);
  let clean: ReturnType<typeof cleanObject>;
  try {
    clean = cleanObject(next, resource);
  } catch (error) {
    if (!ApiError.is(error)) throw error;
    const type = typeNamedBy(error.message);
    const isStrategic = request.type === 'strategic' && type !== undefined;
    throw invalidPatch(goMap(request.patch), isStrategic ? `unrecognized type: ${type}` : error.message);
  }
  checkKind(target, clean.object);
  if (context.fieldValidation === 'Ignore') return clean.object;
  const texts = fieldTexts(request.duplicates ?? [], clean.unknown);
  if (texts.length > 0 && context.fieldValidation === 'Strict') {
    throw invalidPatch(JSON.stringify(sortedKeys(next)), `strict decoding error: ${texts.join(', ')}`);
  }
  context.warnings.push(...texts);
  return clean.object;
}

/** A patch may not change the kind. */
function checkKind(target: UpdateTarget, next: JsonObject): void {
  const { kind } = next;
  if (kind === target.resource.kind) return;
  throw invalid({ group: target.resource.group, kind: String(kind) }, target.name, [
    invalidValue('kind', kind, `must be ${target.resource.kind}`),
  ]);
}

/** The same value with keys in order, as the recorded texts have it. */
function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortedKeys(item)]),
  );
}

/** The configuration, which names the kind it is applied to; `/v1` is `v1` (istiod writes conditions of Services so). */
function checkApplied(target: UpdateTarget, applied: unknown): JsonObject {
  const { resource } = target;
  const apiVersion = isObject(applied) && typeof applied['apiVersion'] === 'string' ? applied['apiVersion'] : '';
  const kind = isObject(applied) && typeof applied['kind'] === 'string' ? applied['kind'] : '';
  const isVersion = apiVersion === resource.apiVersion || apiVersion === `/${resource.apiVersion}`;
  if (isObject(applied) && isVersion && kind === resource.kind) return { ...applied, apiVersion: resource.apiVersion };
  const shown = apiVersion.includes('/') ? apiVersion : apiVersion === '' ? '/' : `/${apiVersion}`;
  throw badRequest(`invalid object type: ${shown}, Kind=${kind}`);
}

function configure(
  environment: WriteEnvironment,
  target: UpdateTarget,
  request: PatchRequest,
  context: WriteContext,
  live: JsonObject | undefined,
): JsonObject {
  const { resource } = target;
  const applied = checkApplied(target, request.patch);
  const name = metadataOf(applied)['name'];
  if (typeof name === 'string' && name !== '' && name !== target.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${target.name})`);
  }
  const version = metadataOf(applied)['resourceVersion'];
  if (
    live !== undefined &&
    typeof version === 'string' &&
    version !== '' &&
    version !== metadataOf(live)['resourceVersion']
  ) {
    throw conflict(resource, target.name);
  }
  return applyConfiguration({
    schema: resource.schema,
    hasStatus: resource.hasStatus && target.subresource !== 'status',
    live,
    applied,
    writer: {
      manager: context.manager,
      subresource: target.subresource,
      apiVersion: target.subresource === 'scale' ? 'autoscaling/v1' : resource.apiVersion,
      time: timeText(environment.now()),
    },
    force: request.force,
    described: `/${target.name}; ${resource.apiVersion}, Kind=${resource.kind}`,
  });
}

function applyNew(
  environment: WriteEnvironment,
  target: UpdateTarget,
  request: PatchRequest,
  context: WriteContext,
): PatchResult {
  const { resource, namespace, name } = target;
  if (target.subresource !== undefined) throw notFound(resource, name);
  if (namespace !== undefined) checkNamespace(environment.store, resource, namespace, name);
  const made = configure(environment, target, request, context, undefined);
  const uid = metadataOf(request.patch)['uid'];
  if (typeof uid === 'string' && uid !== '')
    throw conflict(
      resource,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  const body = { ...made, metadata: { ...metadataOf(made), name } };
  return { object: createObject(environment, resource, namespace, body, context, { applied: true }), created: true };
}

/** Patches an object; throws `ApiError`. */
export function patchObject(
  environment: WriteEnvironment,
  target: UpdateTarget,
  request: PatchRequest,
  context: WriteContext,
): PatchResult {
  const exists = environment.store.get(target.resource.storageName, target.namespace ?? '', target.name) !== undefined;
  if (request.type === 'apply') {
    if (!exists) return applyNew(environment, target, request, context);
    const next = (live: JsonObject): JsonObject => configure(environment, target, request, context, live);
    return {
      object: updateObject(environment, target, { next, isReplace: false, applied: true }, context),
      created: false,
    };
  }
  const next = (live: JsonObject): JsonObject => cleanPatched(target, patched(target, request, live), request, context);
  return { object: updateObject(environment, target, { next, isReplace: false }, context), created: false };
}
