// An `ObjectApi` in memory, without validation, for tests of controllers and of the node runtime.
// Keeps what they rely on: uids, revisions, generation, generated names, graceful pod deletion, finalizers, watches.
import { randomUUID } from 'node:crypto';
import type { DeleteOptions, ObjectApi, ObjectEvent, PatchOptions, Selection } from '../api/object-api.ts';
import { ApiError } from '../api/status.ts';
import type { KubeObject } from '../store/kube-object.ts';
import type { AnyObject } from '../controllers/objects.ts';

interface Stored extends AnyObject {
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

interface Watcher {
  readonly resource: string;
  readonly selection: Selection;
  readonly listener: (event: ObjectEvent) => void;
}

const KINDS: readonly [resource: string, apiVersion: string, kind: string, isNamespaced: boolean][] = [
  ['namespaces', 'v1', 'Namespace', false],
  ['nodes', 'v1', 'Node', false],
  ['pods', 'v1', 'Pod', true],
  ['services', 'v1', 'Service', true],
  ['configmaps', 'v1', 'ConfigMap', true],
  ['secrets', 'v1', 'Secret', true],
  ['serviceaccounts', 'v1', 'ServiceAccount', true],
  ['events', 'v1', 'Event', true],
  ['deployments.apps', 'apps/v1', 'Deployment', true],
  ['replicasets.apps', 'apps/v1', 'ReplicaSet', true],
  ['daemonsets.apps', 'apps/v1', 'DaemonSet', true],
  ['controllerrevisions.apps', 'apps/v1', 'ControllerRevision', true],
  ['jobs.batch', 'batch/v1', 'Job', true],
  ['statefulsets.apps', 'apps/v1', 'StatefulSet', true],
  ['persistentvolumeclaims', 'v1', 'PersistentVolumeClaim', true],
  ['persistentvolumes', 'v1', 'PersistentVolume', false],
  ['endpoints', 'v1', 'Endpoints', true],
  ['poddisruptionbudgets.policy', 'policy/v1', 'PodDisruptionBudget', true],
  ['horizontalpodautoscalers.autoscaling', 'autoscaling/v2', 'HorizontalPodAutoscaler', true],
  ['cronjobs.batch', 'batch/v1', 'CronJob', true],
  ['endpointslices.discovery.k8s.io', 'discovery.k8s.io/v1', 'EndpointSlice', true],
  ['leases.coordination.k8s.io', 'coordination.k8s.io/v1', 'Lease', true],
  ['customresourcedefinitions.apiextensions.k8s.io', 'apiextensions.k8s.io/v1', 'CustomResourceDefinition', false],
];

const refuse = (code: number, reason: string, message: string): ApiError =>
  new ApiError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code });

/** Makes an empty API. */
export function createMemoryObjectApi(): ObjectApi {
  const stores = new Map<string, Map<string, Stored>>(KINDS.map(([resource]) => [resource, new Map()]));
  const watchers = new Set<Watcher>();
  let revision = 0;

  const storeOf = (resource: string): Map<string, Stored> => {
    const store = stores.get(resource);
    if (store === undefined) throw refuse(404, 'NotFound', `no resource ${resource}`);
    return store;
  };
  const keyOf = (name: string, namespace: string | undefined): string => `${namespace ?? ''}/${name}`;
  const isNamespaced = (resource: string): boolean => KINDS.some(([each, , , flag]) => each === resource && flag);
  const find = (resource: string, name: string, namespace: string | undefined): Stored => {
    const found = storeOf(resource).get(keyOf(name, isNamespaced(resource) ? namespace : ''));
    if (found === undefined) throw refuse(404, 'NotFound', `${resource} "${name}" not found`);
    return found;
  };

  const tell = (resource: string, type: ObjectEvent['type'], object: Stored, previous: Stored | undefined): void => {
    for (const watcher of watchers) {
      if (watcher.resource !== resource) continue;
      const now = type !== 'DELETED' && matches(watcher.selection, object);
      const before = previous !== undefined && matches(watcher.selection, previous);
      if (!now && !before) continue;
      const kind = now ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED';
      queueMicrotask(() => {
        if (watchers.has(watcher)) watcher.listener({ type: kind, object, previous });
      });
    }
  };

  const put = (resource: string, object: Stored, previous: Stored | undefined): Stored => {
    const next: Stored = { ...object, metadata: { ...object.metadata, resourceVersion: String((revision += 1)) } };
    if (previous !== undefined && JSON.stringify(previous.spec) !== JSON.stringify(next.spec)) {
      next.metadata.generation = (previous.metadata.generation ?? 0) + 1;
    }
    if (
      next.metadata.deletionTimestamp !== undefined &&
      (next.metadata.finalizers ?? []).length === 0 &&
      resource !== 'pods' &&
      !(resource === 'namespaces' && hasNamespaceFinalizer(next))
    ) {
      return drop(resource, next);
    }
    storeOf(resource).set(keyOf(next.metadata.name, next.metadata.namespace), next);
    tell(resource, previous === undefined ? 'ADDED' : 'MODIFIED', next, previous);
    return next;
  };

  const drop = (resource: string, object: Stored): Stored => {
    storeOf(resource).delete(keyOf(object.metadata.name, object.metadata.namespace));
    revision += 1;
    tell(resource, 'DELETED', object, object);
    return object;
  };

  const write = (resource: string, object: KubeObject, change: (old: Stored) => Stored): Stored => {
    const old = find(resource, object.metadata.name ?? '', object.metadata.namespace);
    const wanted = object.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== old.metadata.resourceVersion)
      throw refuse(409, 'Conflict', 'the object has been modified');
    return put(resource, change(old), old);
  };

  const api: ObjectApi = {
    serves: (resource) => stores.has(resource),
    resources: () => KINDS.map(([resource, , kind, namespaced]) => ({ resource, kind, namespaced })),
    resourceOf: (apiVersion, kind) => {
      const found = KINDS.find(([, version, name]) => version === apiVersion && name === kind);
      return found === undefined ? undefined : { resource: found[0], namespaced: found[3] };
    },
    get: <T extends KubeObject>(resource: string, name: string, namespace?: string) =>
      stores.get(resource)?.get(keyOf(name, isNamespaced(resource) ? namespace : '')) as T | undefined,
    list: <T extends KubeObject>(resource: string, selection: Selection = {}) => ({
      items: [...(stores.get(resource)?.values() ?? [])].filter((each) => matches(selection, each)) as unknown as T[],
      resourceVersion: String(revision),
    }),
    watch: <T extends KubeObject>(
      resource: string,
      selection: Selection,
      listener: (event: ObjectEvent<T>) => void,
    ) => {
      const watcher: Watcher = { resource, selection, listener: listener as (event: ObjectEvent) => void };
      for (const object of [...(stores.get(resource)?.values() ?? [])].filter((each) => matches(selection, each))) {
        watcher.listener({ type: 'ADDED', object, previous: undefined });
      }
      watchers.add(watcher);
      return { [Symbol.dispose]: () => void watchers.delete(watcher) };
    },
    create: async <T extends KubeObject>(resource: string, object: KubeObject) => {
      const { generateName } = object.metadata;
      const name =
        (object.metadata.name ?? '') === ''
          ? `${generateName ?? ''}${randomUUID().slice(0, 5)}`
          : (object.metadata.name as string);
      const namespace = isNamespaced(resource) ? (object.metadata.namespace ?? 'default') : undefined;
      if (storeOf(resource).has(keyOf(name, namespace)))
        throw refuse(409, 'AlreadyExists', `${resource} "${name}" already exists`);
      const metadata = {
        ...structuredClone(object.metadata),
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: randomUUID(),
        generation: 1,
        creationTimestamp: new Date().toISOString(),
      };
      const fresh = { ...structuredClone(object), metadata } as unknown as Stored;
      if (resource === 'namespaces') fresh.spec = { finalizers: ['kubernetes'] };
      return put(resource, fresh, undefined) as unknown as T;
    },
    update: async <T extends KubeObject>(resource: string, object: KubeObject) =>
      write(resource, object, (old) => ({
        ...(structuredClone(object) as unknown as Stored),
        ...(old.status === undefined ? {} : { status: old.status }),
      })) as unknown as T,
    updateStatus: async <T extends KubeObject>(resource: string, object: KubeObject) =>
      write(resource, object, (old) => ({
        ...old,
        status: structuredClone((object as unknown as Stored).status ?? {}),
      })) as unknown as T,
    patch: async <T extends KubeObject>(
      resource: string,
      name: string,
      namespace: string | undefined,
      patch: unknown,
      options: PatchOptions = {},
    ) => {
      const old = find(resource, name, namespace);
      const merged = mergePatch(old, patch) as Stored;
      const next = options.subresource === 'status' ? { ...old, status: merged.status ?? {} } : merged;
      return put(resource, next, old) as unknown as T;
    },
    delete: async (resource, name, namespace, options: DeleteOptions = {}) => {
      const old = find(resource, name, namespace);
      if (options.preconditions?.uid !== undefined && options.preconditions.uid !== old.metadata.uid)
        throw refuse(409, 'Conflict', 'uid differs');
      const grace =
        options.gracePeriodSeconds ?? (old.spec?.['terminationGracePeriodSeconds'] as number | undefined) ?? 30;
      const isBound = ((old.spec?.['nodeName'] as string | undefined) ?? '') !== '';
      const stays =
        (resource === 'pods' && grace > 0 && isBound) ||
        (old.metadata.finalizers ?? []).length > 0 ||
        resource === 'namespaces';
      if (!stays) return drop(resource, old);
      if (old.metadata.deletionTimestamp !== undefined) return old;
      const metadata = {
        ...old.metadata,
        deletionTimestamp: new Date().toISOString(),
        deletionGracePeriodSeconds: resource === 'pods' ? grace : 0,
      };
      return put(resource, { ...old, metadata }, old);
    },
    finalizeNamespace: async (name) => {
      drop('namespaces', find('namespaces', name, undefined));
    },
    createToken: async ({ namespace, serviceAccount, ttlSeconds }) => ({
      token: `token-of-${namespace}-${serviceAccount}`,
      expiresAtMs: Date.now() + (ttlSeconds ?? 3600) * 1000,
    }),
  };
  return api;
}

const hasNamespaceFinalizer = (object: Stored): boolean =>
  ((object.spec?.['finalizers'] as string[] | undefined) ?? []).length > 0;

function matches(selection: Selection, object: Stored): boolean {
  if (selection.namespace !== undefined && selection.namespace !== object.metadata.namespace) return false;
  const pairs = (text: string | undefined): [string, string][] =>
    (text ?? '')
      .split(',')
      .filter((each) => each !== '')
      .map((each) => each.split('=') as [string, string]);
  const byLabel = pairs(selection.labelSelector).every(([key, value]) => object.metadata.labels?.[key] === value);
  return byLabel && pairs(selection.fieldSelector).every(([path, value]) => fieldOf(object, path) === value);
}

function fieldOf(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return structuredClone(patch);
  const base =
    typeof target === 'object' && target !== null && !Array.isArray(target)
      ? { ...(target as Record<string, unknown>) }
      : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete base[key];
    else base[key] = mergePatch(base[key], value);
  }
  return base;
}
