// A Kubernetes API in memory, for tests: objects with versions, list, watch, apply that merges, token reviews. Not a model of
// admission or defaulting; of field ownership only the record of applies. Everything is synchronous behind the promises.
import { apiVersionOf, type KindName, kindOf, kinds, type KubernetesObject, type ObjectOf } from '@ambit/resources';
import type { KubeClient, ListOptions, ObjectRef, TokenReview, WatchEvent } from '../client.ts';
import { errorOfStatus, KubeError } from '../errors.ts';

type Json = Record<string, unknown>;

/** The double. Also counts writes and can fail on purpose. */
export interface MemoryCluster extends KubeClient {
  /** Puts an object as a user would, status included. */
  put(object: KubernetesObject): void;
  remove(ref: ObjectRef): void;
  /** All objects of a kind. */
  objects<K extends KindName>(kind: K): ObjectOf<K>[];
  /** Token text -> verdict. */
  readonly tokens: Map<string, TokenReview>;
  /** What users may do, each as `<user> <verb> <group>/<resource> <namespace, or *>`. */
  readonly access: Set<string>;
  /** While true, every call fails as if the server were down, and open watches break. */
  setDown(isDown: boolean): void;
  /** Forgets history: watches from older versions get 410. */
  compact(): void;
  /** Every write: verb and object. */
  readonly writes: { readonly verb: string; readonly object: KubernetesObject }[];
}

interface Stored {
  readonly version: number;
  readonly kind: KindName;
  readonly event: Exclude<WatchEvent, { type: 'BOOKMARK' }>;
}

/** Makes an empty cluster. */
export function memoryCluster(): MemoryCluster {
  const store = new Map<string, KubernetesObject>();
  const history: Stored[] = [];
  const waiting = new Set<() => void>();
  const tokens = new Map<string, TokenReview>();
  const access = new Set<string>();
  const writes: { verb: string; object: KubernetesObject }[] = [];
  let version = 1;
  let oldest = 0;
  let isDown = false;

  const check = (): void => {
    if (isDown) throw new KubeError('ERR_KUBE_UNREACHABLE', 'the API server is down');
  };
  const keyOf = (kind: string, namespace = '', name = ''): string => `${kind} ${namespace}/${name}`;
  const keyOfObject = (object: KubernetesObject): { key: string; kind: KindName } => {
    const kind = kindOf(object)?.kind as KindName | undefined;
    if (kind === undefined) throw errorOfStatus(404, 'NotFound', 'unknown kind', 'memory cluster');
    return { kind, key: keyOf(kind, object.metadata?.namespace, object.metadata?.name) };
  };
  const emit = (kind: KindName, event: Stored['event']): void => {
    history.push({ version, kind, event });
    for (const wake of waiting) wake();
  };
  const write = (object: KubernetesObject): KubernetesObject => {
    const { key, kind } = keyOfObject(object);
    const before = store.get(key);
    version++;
    const isSpecChanged = JSON.stringify(before?.['spec']) !== JSON.stringify(object['spec']);
    const stored: KubernetesObject = structuredClone({
      ...object,
      metadata: {
        ...object.metadata,
        uid: before?.metadata?.uid ?? object.metadata?.uid ?? `uid-${version}`,
        generation: (before?.metadata?.generation ?? 0) + (isSpecChanged ? 1 : 0),
        resourceVersion: String(version),
      },
    });
    store.set(key, stored);
    emit(kind, { type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored });
    return stored;
  };
  const drop = (kind: KindName, key: string): boolean => {
    const before = store.get(key);
    if (before === undefined) return false;
    store.delete(key);
    version++;
    emit(kind, {
      type: 'DELETED',
      object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } },
    });
    return true;
  };

  async function* watch(kind: KindName, from: string, options: ListOptions = {}): AsyncGenerator<WatchEvent> {
    check();
    let next = Number(from);
    if (next < oldest) throw errorOfStatus(410, 'Expired', 'too old resource version', 'watch');
    for (;;) {
      for (const entry of history.slice()) {
        if (entry.version <= next) continue;
        next = entry.version;
        const namespace = entry.event.object.metadata?.namespace;
        if (entry.kind === kind && (options.namespace === undefined || options.namespace === namespace))
          yield entry.event;
      }
      if (history.some((entry) => entry.version > next)) continue;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        options.signal?.addEventListener('abort', wake, { once: true });
      });
      if (options.signal?.aborted === true) return;
      check();
    }
  }

  return {
    tokens,
    access,
    writes,
    put: (object) => void write(withType(object)),
    remove: ({ kind, namespace, name }) => void drop(kind, keyOf(kind, namespace, name)),
    objects: <K extends KindName>(kind: K) =>
      [...store].filter(([key]) => key.startsWith(`${kind} `)).map(([, object]) => object as unknown as ObjectOf<K>),
    setDown(value) {
      isDown = value;
      for (const wake of waiting) wake();
    },
    compact() {
      oldest = version;
      history.length = 0;
    },
    get: async <K extends KindName>({ kind, namespace, name }: ObjectRef<K>) => {
      check();
      return structuredClone(store.get(keyOf(kind, namespace, name))) as ObjectOf<K> | undefined;
    },
    list: async (kind, { namespace } = {}) => {
      check();
      const items = [...store]
        .filter(
          ([key, o]) => key.startsWith(`${kind} `) && (namespace === undefined || o.metadata?.namespace === namespace),
        )
        .map(([, object]) => object);
      return { items, resourceVersion: String(version) };
    },
    watch,
    create: async (object, { dryRun = false } = {}) => {
      check();
      if (dryRun) return object;
      if (store.has(keyOfObject(object).key)) throw errorOfStatus(409, 'AlreadyExists', 'already exists', 'create');
      writes.push({ verb: 'create', object });
      return write(object) as typeof object;
    },
    update: async (object) => {
      check();
      const before = store.get(keyOfObject(object).key);
      if (before === undefined) throw errorOfStatus(404, 'NotFound', 'not found', 'update');
      const given = object.metadata?.resourceVersion;
      if (given !== undefined && given !== before.metadata?.resourceVersion) {
        throw errorOfStatus(409, 'Conflict', 'the object has been modified', 'update');
      }
      writes.push({ verb: 'update', object });
      return write(object) as typeof object;
    },
    apply: async (object, { subresource, fieldManager }) => {
      check();
      const before = store.get(keyOfObject(object).key);
      if (before === undefined && subresource !== undefined) throw errorOfStatus(404, 'NotFound', 'not found', 'apply');
      writes.push({ verb: subresource === undefined ? 'apply' : `apply ${subresource}`, object });
      const { resourceVersion: given } = object.metadata ?? {};
      if (given !== undefined && given !== before?.metadata?.resourceVersion) {
        throw errorOfStatus(409, 'Conflict', 'the object has been modified', 'apply');
      }
      const merged = merge(before ?? {}, object as Json) as KubernetesObject;
      return write(subresource === undefined ? withFields(merged, object, fieldManager) : merged);
    },
    patch: async ({ kind, namespace, name }, body, { subresource }) => {
      check();
      const before = store.get(keyOf(kind, namespace, name));
      if (before === undefined) throw errorOfStatus(404, 'NotFound', 'not found', 'patch');
      writes.push({
        verb: subresource === undefined ? 'patch' : `patch ${subresource}`,
        object: body as KubernetesObject,
      });
      return write(merge(before, body as Json) as KubernetesObject);
    },
    delete: async ({ kind, namespace, name }) => {
      check();
      return drop(kind, keyOf(kind, namespace, name));
    },
    reviewToken: async (token, audiences) => {
      check();
      const unknown: TokenReview = {
        isAuthenticated: false,
        username: '',
        groups: [],
        audiences: [],
        extra: {},
        error: 'unknown',
      };
      const known = tokens.get(token);
      // A token with audiences is for these alone; one without is for the API server.
      const isFor = known?.audiences.length === 0 || audiences.some((one) => known?.audiences.includes(one));
      return known === undefined || !isFor ? unknown : known;
    },
    reviewAccess: async ({ username }, { verb, group, resource, namespace }) => {
      check();
      const entry = `${username} ${verb} ${group}/${resource}`;
      return access.has(`${entry} *`) || access.has(`${entry} ${namespace ?? ''}`);
    },
  };
}

/** Notes which fields a manager applied, roughly as the API server does. */
function withFields(stored: KubernetesObject, given: KubernetesObject, manager: string): KubernetesObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = given;
  const { labels, annotations, ownerReferences } = metadata ?? {};
  const fieldsV1 = fieldsOf({ ...rest, metadata: { labels, annotations, ownerReferences } });
  const known = (stored.metadata as { managedFields?: { manager: string }[] } | undefined)?.managedFields ?? [];
  const managedFields = [...known.filter((m) => m.manager !== manager), { manager, operation: 'Apply', fieldsV1 }];
  return { ...stored, metadata: { ...stored.metadata, managedFields } as KubernetesObject['metadata'] & {} };
}

function fieldsOf(value: unknown): Json {
  if (Array.isArray(value)) {
    const keyOf = (item: Json): Json | undefined =>
      ['name', 'containerPort', 'port', 'uid'].filter((k) => k in item).map((k) => ({ [k]: item[k] }))[0];
    const keys = value.map((item) => (typeof item === 'object' && item !== null ? keyOf(item as Json) : undefined));
    if (keys.includes(undefined)) return {};
    return Object.fromEntries(value.map((item, i) => [`k:${JSON.stringify(keys[i])}`, { '.': {}, ...fieldsOf(item) }]));
  }
  if (typeof value !== 'object' || value === null) return {};
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [`f:${key}`, fieldsOf(inner)]));
}

function withType(object: KubernetesObject): KubernetesObject {
  const info = kinds[object.kind as KindName];
  return { apiVersion: apiVersionOf(info), ...object };
}

/** Merge patch: objects merge, null deletes, everything else replaces. Conditions merge by type, as apply would. */
function merge(before: Json, patch: Json): Json {
  const out: Json = { ...before };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else if (typeof value === 'object' && !Array.isArray(value))
      out[key] = merge((before[key] ?? {}) as Json, value as Json);
    else if (key === 'conditions' && Array.isArray(value))
      out[key] = mergeConditions(before[key], value as { type: string }[]);
    else out[key] = value;
  }
  return out;
}

function mergeConditions(before: unknown, given: readonly { type: string }[]): unknown[] {
  const known = Array.isArray(before) ? (before as { type: string }[]) : [];
  return [...known.filter((c) => !given.some((g) => g.type === c.type)), ...given];
}
