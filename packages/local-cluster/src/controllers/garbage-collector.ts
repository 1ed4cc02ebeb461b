// The garbage collector: dependents follow their owners.
// Comes in: every served kind. Goes out: deletions of dependents, removal of the foreground and orphan finalizers.
// Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import { isNotFound } from '../api/status.ts';
import { controllerOfParts } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, OwnerReference } from './objects.ts';
import { createWorkQueue } from './work-queue.ts';

interface Place {
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** Starts the collector; kinds of definitions that come later are watched as soon as they are served. */
export function startGarbageCollector(context: ControllerContext): Controller {
  const { api } = context;
  const placeByUid = new Map<string, Place>();
  const dependentsByOwner = new Map<string, Set<string>>();
  const watched = new Map<string, Disposable>();
  const queue = createWorkQueue('garbage', context.log, (uid) => reconcile(uid));

  const note = (resource: string, object: AnyObject, previous: AnyObject | undefined): void => {
    const uid = object.metadata.uid ?? '';
    placeByUid.set(uid, { resource, namespace: object.metadata.namespace, name: object.metadata.name });
    for (const owner of previous?.metadata.ownerReferences ?? []) dependentsByOwner.get(owner.uid)?.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      const dependents = dependentsByOwner.get(owner.uid) ?? new Set();
      dependentsByOwner.set(owner.uid, dependents);
      dependents.add(uid);
    }
    if (object.metadata.deletionTimestamp !== undefined || object.metadata.ownerReferences !== undefined)
      queue.add(uid);
  };

  const forget = (object: AnyObject): void => {
    const uid = object.metadata.uid ?? '';
    placeByUid.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      dependentsByOwner.get(owner.uid)?.delete(uid);
      queue.add(owner.uid); // a foreground deletion may wait for this one
    }
    for (const dependent of dependentsByOwner.get(uid) ?? []) queue.add(dependent);
  };

  const watchNewKinds = (): void => {
    for (const { resource } of api.resources()) {
      if (resource === 'events' || watched.has(resource)) continue;
      const watch = api.watch<AnyObject>(resource, {}, ({ type, object, previous }) => {
        if (type === 'DELETED') forget(object);
        else note(resource, object, previous);
      });
      watched.set(resource, watch);
    }
  };

  const reconcile = async (uid: string): Promise<void> => {
    const place = placeByUid.get(uid);
    if (place === undefined) return;
    const object = api.get<AnyObject>(place.resource, place.name, place.namespace);
    if (object === undefined || object.metadata.uid !== uid) return;
    if (object.metadata.deletionTimestamp !== undefined) await finishDeletion(place, object);
    else await collect(place, object);
  };

  const collect = async (place: Place, object: AnyObject): Promise<void> => {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = owners.map((owner) => ownerState(api, owner, place.namespace));
    if (states.every((state) => state === 'absent')) return remove(place, object, 'Background');
    const waiting = states.some((state) => state === 'foreground');
    if (waiting && states.every((state) => state !== 'present')) return remove(place, object, 'Foreground');
    if (!states.includes('absent')) return;
    const ownerReferences = owners.filter((_, index) => states[index] !== 'absent');
    await api.patch(place.resource, place.name, place.namespace, { metadata: { ownerReferences } });
  };

  const finishDeletion = async (place: Place, object: AnyObject): Promise<void> => {
    const finalizers = object.metadata.finalizers ?? [];
    const dependents = [...(dependentsByOwner.get(object.metadata.uid ?? '') ?? [])];
    if (finalizers.includes(ORPHAN)) {
      for (const uid of dependents) await release(uid, object.metadata.uid ?? '');
      return dropFinalizer(place, object, ORPHAN);
    }
    if (!finalizers.includes(FOREGROUND)) return;
    if (dependents.some((uid) => blocks(uid, object.metadata.uid ?? ''))) {
      for (const uid of dependents) queue.add(uid);
      return;
    }
    await dropFinalizer(place, object, FOREGROUND);
  };

  const blocks = (uid: string, ownerUid: string): boolean => {
    const place = placeByUid.get(uid);
    const object = place === undefined ? undefined : api.get<AnyObject>(place.resource, place.name, place.namespace);
    return object?.metadata.ownerReferences?.some((o) => o.uid === ownerUid && o.blockOwnerDeletion === true) ?? false;
  };

  const release = async (uid: string, ownerUid: string): Promise<void> => {
    const place = placeByUid.get(uid);
    const object = place === undefined ? undefined : api.get<AnyObject>(place.resource, place.name, place.namespace);
    if (place === undefined || object === undefined) return;
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== ownerUid);
    await api.patch(place.resource, place.name, place.namespace, { metadata: { ownerReferences } });
  };

  const dropFinalizer = async (place: Place, object: AnyObject, finalizer: string): Promise<void> => {
    const finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== finalizer);
    await api.patch(place.resource, place.name, place.namespace, { metadata: { finalizers } });
  };

  const remove = async (
    place: Place,
    object: AnyObject,
    propagationPolicy: 'Background' | 'Foreground',
  ): Promise<void> => {
    const preconditions = { uid: object.metadata.uid ?? '' };
    await api
      .delete(place.resource, place.name, place.namespace, { propagationPolicy, preconditions })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  };

  watchNewKinds();
  const definitions = api.watch('customresourcedefinitions.apiextensions.k8s.io', {}, () => watchNewKinds());
  return controllerOfParts(queue, definitions, {
    close: () => {
      for (const watch of watched.values()) watch[Symbol.dispose]();
    },
  });
}

function ownerState(
  api: ObjectApi,
  owner: OwnerReference,
  namespace: string | undefined,
): 'present' | 'absent' | 'foreground' | 'unknown' {
  const kind = api.resourceOf(owner.apiVersion, owner.kind);
  if (kind === undefined) return 'unknown'; // the kind may be served again later: keep the dependent
  const object = api.get<AnyObject>(kind.resource, owner.name, kind.namespaced ? namespace : undefined);
  if (object === undefined || object.metadata.uid !== owner.uid) return 'absent';
  const leaving = object.metadata.deletionTimestamp !== undefined && object.metadata.finalizers?.includes(FOREGROUND);
  return leaving === true ? 'foreground' : 'present';
}
