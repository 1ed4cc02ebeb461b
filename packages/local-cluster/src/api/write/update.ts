/**
 * Update: the live object and a way to build the next one -> a stored object (spec/local-cluster.md 5). Called by PUT,
 * PATCH, apply, subresources and the in-process API. Main thread; nothing awaits between read and store.
 */

import { isDigits } from '../characters.ts';
import { trackUpdate } from '../apply/managed-fields.ts';
import { equalJson, isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, conflict, internalError, invalid, notFound } from '../status.ts';
import { invalidValue } from '../field-error.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { timeText } from './context.ts';
import type { WriteContext, WriteEnvironment } from './context.ts';
import { toStorage } from './convert.ts';
import { cleanObject } from './fields.ts';
import { isSameObject, metadataWarnings, updateMetadata } from './metadata.ts';
import { admit, asKubeObject, validateObject, withDefaults } from './prepare.ts';
import { present } from './present.ts';

/** Which object, which part of it. */
export interface UpdateTarget {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
  /** `status`, `finalize`, ... or undefined for the object itself. */
  readonly subresource: string | undefined;
}

/** How the next object comes to be. */
export interface UpdateRequest {
  /** Builds the next object from the live one (in the version of the request). */
  readonly next: (live: JsonObject) => JsonObject;
  /** PUT: kinds that need a resourceVersion refuse its absence. */
  readonly isReplace: boolean;
  /** Apply: ownership is already in the object. */
  readonly applied?: boolean;
}

/** Replicas written through the scale subresource belong to this version. */
const scaleVersion = 'autoscaling/v1';

/** Builtin kinds whose PUT needs a resourceVersion, as custom kinds do. */
const strictKinds = new Set([
  'leases.coordination.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
]);

/** Builtin kinds whose status writes may change labels and annotations too. */
const looseStatus = new Set(['pods', 'nodes', 'namespaces', 'services']);

const metadataOf = (object: JsonObject): JsonObject => (isObject(object['metadata']) ? object['metadata'] : {});

function checkVersion(target: UpdateTarget, request: UpdateRequest, next: JsonObject, live: JsonObject): void {
  const { resource, name } = target;
  const sent = metadataOf(next)['resourceVersion'];
  const current = metadataOf(live)['resourceVersion'];
  if (sent === undefined || sent === '' || sent === '0') {
    if (request.isReplace && (resource.custom !== undefined || strictKinds.has(resource.storageName))) {
      throw invalid({ group: resource.group, kind: resource.resource }, name, [
        invalidValue('metadata.resourceVersion', 0, 'must be specified for an update'),
      ]);
    }
    return;
  }
  if (typeof sent !== 'string' || !isDigits(sent, 18)) {
    throw internalError(`strconv.ParseUint: parsing ${JSON.stringify(sent)}: invalid syntax`);
  }
  if (sent !== current) throw conflict(resource, name);
}

function checkIdentity(target: UpdateTarget, request: UpdateRequest, next: JsonObject, live: JsonObject): void {
  const { resource, namespace, name } = target;
  const sent = metadataOf(next);
  if (typeof sent['name'] === 'string' && sent['name'] !== '' && sent['name'] !== name) {
    throw badRequest(`the name of the object (${sent['name']}) does not match the name on the URL (${name})`);
  }
  if (typeof sent['namespace'] === 'string' && sent['namespace'] !== '' && sent['namespace'] !== (namespace ?? '')) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const { uid } = sent;
  const liveUid = metadataOf(live)['uid'];
  if (request.isReplace && typeof uid === 'string' && uid !== '' && uid !== liveUid) {
    throw conflict(
      resource,
      name,
      `StorageError: invalid object, Code: 4, Key: /registry/${resource.storageName}/${namespace ?? ''}/${name}, ResourceVersion: 0, ` +
        `AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${String(liveUid)}`,
    );
  }
}

/** Keeps what the addressed part may not change. */
function restrict(target: UpdateTarget, next: JsonObject, live: JsonObject): JsonObject {
  const { resource, subresource } = target;
  if (subresource === 'status') {
    const result: JsonObject = { ...live };
    if (next['status'] === undefined) delete result['status'];
    else result['status'] = next['status'];
    const loose = resource.custom === undefined && looseStatus.has(resource.storageName);
    const sent = metadataOf(next);
    result['metadata'] = loose
      ? sent
      : { ...metadataOf(live), managedFields: sent['managedFields'], resourceVersion: sent['resourceVersion'] };
    return result;
  }
  if (subresource === 'approval') {
    // Of a certificate request only the verdict: the certificate is the signer's.
    const status = isObject(live['status']) ? live['status'] : {};
    const sent = isObject(next['status']) ? next['status'] : {};
    return { ...live, status: { ...status, conditions: sent['conditions'] ?? [] }, metadata: metadataOf(next) };
  }
  if (!resource.hasStatus) return next;
  const result: JsonObject = { ...next };
  if (live['status'] === undefined) delete result['status'];
  else result['status'] = live['status'];
  return result;
}

function generationOf(resource: Resource, next: JsonObject, live: JsonObject): number | undefined {
  const current = metadataOf(live)['generation'];
  if (!resource.hasGeneration) return typeof current === 'number' ? current : undefined;
  const { metadata: _a, status: _b, ...before } = live;
  const { metadata: _c, status: _d, ...after } = next;
  const base = typeof current === 'number' ? current : 1;
  const isSame = resource.hasStatus
    ? equalJson(before, after)
    : equalJson({ ...before, status: live['status'] ?? null }, { ...after, status: next['status'] ?? null });
  return isSame ? base : base + 1;
}

/** True when a deleting object has nothing left to wait for. */
function isFinished(resource: Resource, object: JsonObject): boolean {
  const metadata = metadataOf(object);
  if (metadata['deletionTimestamp'] === undefined) return false;
  if (listAt(metadata, 'finalizers').length > 0) return false;
  if (resource.storageName === 'namespaces') return listAt(object, 'spec', 'finalizers').length === 0;
  return !(typeof metadata['deletionGracePeriodSeconds'] === 'number' && metadata['deletionGracePeriodSeconds'] > 0);
}

const withRevision = (next: JsonObject, live: JsonObject): JsonObject => ({
  ...next,
  metadata: { ...metadataOf(next), resourceVersion: metadataOf(live)['resourceVersion'] },
});

/** The live object of a target in the version of the request, or 404. */
export function liveObject(environment: WriteEnvironment, target: UpdateTarget): KubeObject {
  const { resource, namespace, name } = target;
  const stored = environment.store.get(resource.storageName, namespace ?? '', name);
  if (stored === undefined) throw notFound(resource, name);
  return present(resource, stored);
}

/** Changes an object; throws `ApiError`. Answers with the live object when nothing changes. */
export function updateObject(
  environment: WriteEnvironment,
  target: UpdateTarget,
  request: UpdateRequest,
  context: WriteContext,
): KubeObject {
  const { resource, subresource } = target;
  const liveKube = liveObject(environment, target);
  const live = liveKube as unknown as JsonObject;
  const built = request.next(live);
  checkIdentity(target, request, built, live);
  checkVersion(target, request, built, live);
  let next = restrict(target, built, live);
  next = { ...next, metadata: updateMetadata(metadataOf(next), metadataOf(live)) };
  next = withDefaults(resource, next, live);
  const admitted = { ...target, operation: 'UPDATE' } as const;
  const isMutated = context.admission?.isMutated(admitted, next, live) === true;
  if (isMutated) {
    const tracked = request.applied === true ? next : track(environment, target, live, next, context);
    const seen = withRevision(tracked, live);
    const mutated = context.admission?.mutate(admitted, seen, live) ?? seen;
    const cleaned = restrict(target, cleanObject(mutated, resource).object, live);
    next = { ...cleaned, metadata: updateMetadata(metadataOf(cleaned), metadataOf(live)) };
    next = withDefaults(resource, next, live);
  }
  const generation = generationOf(resource, next, live);
  if (generation !== undefined) next = { ...next, metadata: { ...metadataOf(next), generation } };
  validateObject(resource, next, live, subresource);
  context.warnings.push(...metadataWarnings(next, live));
  if (request.applied !== true && !isMutated) next = track(environment, target, live, next, context);
  context.admission?.validate(admitted, withRevision(next, live), live);
  next = admit(environment, {
    resource: resource.storageName,
    operation: 'UPDATE',
    subresource,
    object: asKubeObject(next),
    previous: liveKube,
    user: context.user,
    dryRun: context.dryRun,
  });
  if (isFinished(resource, next)) return finish(environment, target, next, live, context);
  const final = withRevision(next, live);
  if (isSameObject(final, live)) return liveKube;
  if (context.dryRun) return asKubeObject(final);
  return present(resource, environment.store.put(resource.storageName, asKubeObject(toStorage(resource, final))));
}

function finish(
  environment: WriteEnvironment,
  target: UpdateTarget,
  next: JsonObject,
  live: JsonObject,
  context: WriteContext,
): KubeObject {
  const last = withRevision(next, live);
  if (!context.dryRun)
    environment.store.remove(target.resource.storageName, asKubeObject(toStorage(target.resource, last)));
  return asKubeObject(last);
}

function track(
  environment: WriteEnvironment,
  target: UpdateTarget,
  live: JsonObject,
  next: JsonObject,
  context: WriteContext,
): JsonObject {
  const { resource, subresource } = target;
  return trackUpdate({
    schema: resource.schema,
    hasStatus: resource.hasStatus && subresource !== 'status',
    live,
    next,
    writer: {
      manager: context.manager,
      subresource,
      apiVersion: subresource === 'scale' ? scaleVersion : resource.apiVersion,
      time: timeText(environment.now()),
    },
  });
}
