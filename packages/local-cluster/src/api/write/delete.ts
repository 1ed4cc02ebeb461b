/**
 * Delete: finalizers, grace, propagation, preconditions (spec/local-cluster.md 5). Called by DELETE, deletecollection,
 * eviction and the in-process API. Main thread; nothing awaits.
 */

import type { AdmissionSession } from '../admission/session.ts';
import { isObject, listAt, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { invalidValue, notSupported } from '../field-error.ts';
import { invalid, notFound, statusError } from '../status.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { beginDefinitionDeletion, isDefinition } from '../definitions/deletion.ts';
import { timeText } from './context.ts';
import type { WriteEnvironment } from './context.ts';
import { checkNamespaceDeletion } from './namespaces.ts';
import { admit, asKubeObject } from './prepare.ts';
import { present } from './present.ts';

/** Decoded DeleteOptions. */
export interface DeleteRequest {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: string | undefined;
  readonly orphanDependents: boolean | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly dryRun: boolean;
}

/** The object after the request; `removed` tells whether it is gone. */
export interface DeleteResult {
  readonly object: KubeObject;
  readonly removed: boolean;
}

const optionsKind = { group: 'meta.k8s.io', kind: 'DeleteOptions' };

/** Refuses contradictory options with 422. */
export function checkDeleteRequest(request: DeleteRequest): void {
  const { propagationPolicy, orphanDependents } = request;
  if (propagationPolicy === undefined) return;
  if (orphanDependents !== undefined) {
    throw invalid(optionsKind, '', [
      invalidValue(
        'propagationPolicy',
        propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    ]);
  }
  if (!['Foreground', 'Background', 'Orphan'].includes(propagationPolicy)) {
    throw invalid(optionsKind, '', [
      notSupported('propagationPolicy', propagationPolicy, ['Foreground', 'Background', 'Orphan', 'nil']),
    ]);
  }
}

function checkPreconditions(resource: Resource, object: KubeObject, request: DeleteRequest): void {
  const { name = '', uid, resourceVersion } = object.metadata;
  const kind = { group: resource.group, resource: resource.kind };
  const refuse = (why: string): Error => {
    const qualified = kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
    return statusError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified} "${name}": ${why}`, {
      name,
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.resource,
    });
  };
  if (request.uid !== undefined && request.uid !== uid) {
    throw refuse(
      `the UID in the precondition (${request.uid}) does not match the UID in record (${String(uid)}). The object might have been deleted and then recreated`,
    );
  }
  if (request.resourceVersion !== undefined && request.resourceVersion !== resourceVersion) {
    throw refuse(
      `the ResourceVersion in the precondition (${request.resourceVersion}) does not match the ResourceVersion in record (${String(resourceVersion)}). The object might have been modified`,
    );
  }
}

/** Seconds a pod may take; undefined for kinds without grace. */
function graceOf(resource: Resource, object: KubeObject, request: DeleteRequest): number | undefined {
  if (resource.storageName !== 'pods') return undefined;
  const phase = textAt(object, 'status', 'phase');
  if (textAt(object, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
  const spec = valueAt(object, ['spec', 'terminationGracePeriodSeconds']);
  const seconds = request.gracePeriodSeconds ?? (typeof spec === 'number' ? spec : 30);
  return seconds < 0 ? 1 : seconds;
}

function finalizersAfter(object: KubeObject, request: DeleteRequest): readonly string[] {
  const kept = (object.metadata.finalizers ?? []).filter((name) => {
    if (name === 'orphan') return request.propagationPolicy === undefined && request.orphanDependents === undefined;
    if (name === 'foregroundDeletion')
      return request.propagationPolicy === undefined && request.orphanDependents === undefined;
    return true;
  });
  if (request.propagationPolicy === 'Foreground') return [...kept, 'foregroundDeletion'];
  if (request.propagationPolicy === 'Orphan' || request.orphanDependents === true) return [...kept, 'orphan'];
  return kept;
}

function marked(
  object: KubeObject,
  finalizers: readonly string[],
  atMs: number,
  graceSeconds: number,
  raises: boolean,
): JsonObject {
  const metadata: JsonObject = { ...(object.metadata as unknown as JsonObject) };
  if (finalizers.length === 0) delete metadata['finalizers'];
  else metadata['finalizers'] = [...finalizers];
  metadata['deletionTimestamp'] = timeText(atMs);
  metadata['deletionGracePeriodSeconds'] = graceSeconds;
  if (raises && typeof metadata['generation'] === 'number') metadata['generation'] += 1;
  return { ...(object as unknown as JsonObject), metadata };
}

function put(environment: WriteEnvironment, resource: Resource, object: JsonObject, dryRun: boolean): DeleteResult {
  const stored = dryRun ? asKubeObject(object) : environment.store.put(resource.storageName, asKubeObject(object));
  return { object: present(resource, stored), removed: false };
}

function remove(environment: WriteEnvironment, resource: Resource, object: JsonObject, dryRun: boolean): DeleteResult {
  if (!dryRun) environment.store.remove(resource.storageName, asKubeObject(object));
  return { object: present(resource, asKubeObject(object)), removed: true };
}

/** A second deletion: only a shorter grace changes anything. */
function again(
  environment: WriteEnvironment,
  resource: Resource,
  object: KubeObject,
  request: DeleteRequest,
): DeleteResult {
  const { deletionTimestamp = '', deletionGracePeriodSeconds: old = 0 } = object.metadata;
  const isWaiting = (object.metadata.finalizers ?? []).length > 0 || isOpenNamespace(resource, object);
  const grace = graceOf(resource, object, request);
  const wanted = request.gracePeriodSeconds === undefined && grace !== 0 ? undefined : grace;
  if (isWaiting || wanted === undefined || (wanted >= old && wanted !== 0))
    return { object: present(resource, object), removed: false };
  const startMs = Date.parse(deletionTimestamp) - old * 1000;
  const next = marked(object, [], startMs + wanted * 1000, wanted, false);
  return wanted === 0
    ? remove(environment, resource, next, request.dryRun)
    : put(environment, resource, next, request.dryRun);
}

const isOpenNamespace = (resource: Resource, object: KubeObject): boolean =>
  resource.storageName === 'namespaces' && listAt(object, 'spec', 'finalizers').length > 0;

/** Deletes an object or starts its deletion; throws `ApiError`. */
export function deleteObject(
  environment: WriteEnvironment,
  resource: Resource,
  namespace: string | undefined,
  name: string,
  request: DeleteRequest,
  admission?: AdmissionSession,
): DeleteResult {
  checkDeleteRequest(request);
  checkNamespaceDeletion(resource, name);
  const object = environment.store.get(resource.storageName, namespace ?? '', name);
  if (object === undefined) throw notFound(resource, name);
  checkPreconditions(resource, object, request);
  admit(environment, {
    resource: resource.storageName,
    operation: 'DELETE',
    subresource: undefined,
    object,
    previous: object,
    user: undefined,
    dryRun: request.dryRun,
  });
  const target = { resource, namespace, name, subresource: undefined, operation: 'DELETE' } as const;
  const live = present(resource, object) as unknown as JsonObject;
  admission?.mutate(target, null, live);
  admission?.validate(target, null, live);
  const finalizers = finalizersAfter(object, request);
  if (object.metadata.deletionTimestamp !== undefined) {
    const changed = finalizers.length !== (object.metadata.finalizers ?? []).length;
    return again(
      environment,
      resource,
      changed ? asKubeObject({ ...object, metadata: { ...object.metadata, finalizers } }) : object,
      request,
    );
  }
  const now = environment.now();
  if (isDefinition(resource))
    return put(
      environment,
      resource,
      beginDefinitionDeletion(marked(object, finalizers, now, 0, true), timeText(now)),
      request.dryRun,
    );
  const grace = graceOf(resource, object, request) ?? 0;
  if (grace > 0)
    return put(environment, resource, marked(object, finalizers, now + grace * 1000, grace, true), request.dryRun);
  if (finalizers.length > 0)
    return put(environment, resource, marked(object, finalizers, now, 0, true), request.dryRun);
  if (isOpenNamespace(resource, object))
    return put(environment, resource, terminating(marked(object, [], now, 0, false)), request.dryRun);
  const last = resource.storageName === 'pods' ? marked(object, [], now, 0, true) : (object as unknown as JsonObject);
  return remove(environment, resource, last, request.dryRun);
}

function terminating(namespace: JsonObject): JsonObject {
  const status = isObject(namespace['status']) ? namespace['status'] : {};
  return { ...namespace, status: { ...status, phase: 'Terminating' } };
}
