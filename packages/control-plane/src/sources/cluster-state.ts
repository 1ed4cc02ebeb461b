// Kubernetes objects -> model. In: informers of every kind that the model reads. Out: diffs to whoever listens.
// Owns the model; rebuilds it when the mesh configuration changes. Called by app.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import {
  Model,
  type ModelDiff,
  type ModelKind,
  modelKinds,
  type ModelOptions,
  type ObjectChange,
  type RemoteCluster,
} from '@ambit/model';
import type { KubernetesObject, ObjectOf } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import { changeBatch } from './change-batch.ts';

/** Told about every batch: the changes that came in and what they did. `diff` is undefined when everything may have changed. */
export type ClusterListener = (changes: readonly ObjectChange[], diff: ModelDiff | undefined) => void;

/** The cluster as the model sees it. */
export interface ClusterState {
  /** The model in force; another object after a change of the mesh configuration. */
  readonly model: Model;
  /** Settles when every kind was listed once. Never rejects. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  onChange(listener: ClusterListener): void;
  /** Translates everything again with other options. */
  setOptions(options: ModelOptions): void;
  /** Objects of a kind as last seen, in no order. */
  list(kind: ModelKind): Iterable<KubernetesObject>;
  /** Another cluster comes, is exchanged, or goes (undefined). After a change of options the model has none: set them again. */
  setRemote(id: string, remote: RemoteCluster | undefined): void;
  /** Whether a ConfigMap that a Gateway names exists; undefined: nobody asks any more. Kept through changes of options. */
  setParameters(key: string, exists: boolean | undefined): void;
  /** Changes of a cluster that was set. */
  applyRemote(id: string, changes: readonly ObjectChange[]): void;
  close(): void;
}

/** Starts all informers. `onTranslated` is told how long each batch of changes took. */
export function watchCluster(
  client: KubeClient,
  options: ModelOptions,
  log: Logger,
  onTranslated: (ms: number) => void,
): ClusterState {
  let model = new Model(options);
  const queue: ObjectChange[] = [];
  let isScheduled = false;
  let isSynced = false;
  const listeners: ClusterListener[] = [];
  const parameters = new Map<string, boolean>();

  /** A translation with other options that is being made beside the one in force, and the changes since it began. */
  let next: { readonly model: Model; readonly rest: Iterator<KubernetesObject>; changes: ObjectChange[] } | undefined;

  const run = (): void => {
    isScheduled = false;
    if (queue.length > 0) {
      const batch: ObjectChange[] = [];
      const startedMs = performance.now();
      const diff = model.apply(changeBatch(queue, batch));
      onTranslated(performance.now() - startedMs);
      queue.splice(0, batch.length);
      if (next !== undefined) for (const change of batch) next.changes.push(change);
      for (const listener of listeners) listener(batch, diff);
    }
    if (next !== undefined) rebuild(next);
    if (queue.length > 0 || next !== undefined) schedule();
  };
  /** One step of the new translation: objects first, then what changed meanwhile, then it takes over. */
  const rebuild = (making: NonNullable<typeof next>): void => {
    const objects: ObjectChange[] = [];
    making.model.apply(changeBatch(upserts(making.rest), objects));
    if (objects.length > 0) return;
    const changes: ObjectChange[] = [];
    making.model.apply(changeBatch(making.changes, changes));
    making.changes.splice(0, changes.length);
    if (changes.length > 0) return;
    model = making.model;
    for (const [key, exists] of parameters) model.setParameters(key, exists);
    next = undefined;
    for (const listener of listeners) listener([], undefined);
  };
  /** What other clusters changed: no objects of ours. */
  const tell = (diff: ModelDiff): void => {
    for (const listener of listeners) listener([], diff);
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(run);
  };
  const informers: Informer[] = modelKinds.map((kind) =>
    startInformer({
      client,
      kind,
      log,
      strip: withoutUnread,
      onChanges(changes) {
        for (const change of changes) queue.push(change);
        schedule();
      },
    }),
  );
  const synced = Promise.all(informers.map((informer) => informer.synced)).then(() => {
    while (queue.length > 0) run();
    isSynced = true;
    log.info('caches synced', { addresses: model.addresses.size, authorizations: model.authorizations.size });
  });

  return {
    get model() {
      return model;
    },
    get isSynced() {
      return isSynced;
    },
    synced,
    onChange: (listener) => void listeners.push(listener),
    setOptions(changed) {
      // The copies of this moment; what changes later arrives through the queue.
      const objects = informers.flatMap((informer) => [...informer.list()]);
      next = { model: new Model(changed), rest: objects.values(), changes: [...queue] };
      schedule();
    },
    *list(kind) {
      yield* informers.find((informer) => informer.kind === kind)?.list() ?? [];
    },
    setRemote(id, remote) {
      tell(model.setRemote(id, remote));
    },
    setParameters(key, exists) {
      if (exists === undefined) parameters.delete(key);
      else parameters.set(key, exists);
      tell(model.setParameters(key, exists));
    },
    applyRemote(id, changes) {
      tell(model.applyRemote(id, changes));
    },
    close() {
      for (const informer of informers) informer.close();
    },
  };
}

/** The rest of an iterator that stays open when the taker stops. */
const upserts = (rest: Iterator<KubernetesObject>): Iterable<ObjectChange> => ({
  [Symbol.iterator]: () => ({
    next(): IteratorResult<ObjectChange> {
      const step = rest.next();
      return step.done === true
        ? { done: true, value: undefined }
        : { done: false, value: { type: 'upsert', object: step.value } };
    },
  }),
});

/** What nobody here reads is a large part of an object: field ownership everywhere, most of what a pod or node says. */
export function withoutUnread(object: KubernetesObject): KubernetesObject {
  const { managedFields: _managedFields, ...metadata } = (object.metadata ?? {}) as Record<string, unknown>;
  const kept = { ...object, metadata } as KubernetesObject;
  if (object.kind === 'Pod') return strippedPod(kept as Pod) as unknown as KubernetesObject;
  if (object.kind === 'Node') return { apiVersion: 'v1', kind: 'Node', metadata: kept.metadata ?? {} };
  return kept;
}

type Pod = ObjectOf<'Pod'>;

function strippedPod({ metadata, spec, status }: Pod): object {
  const { nodeName, serviceAccountName, hostNetwork, containers = [], initContainers } = spec ?? {};
  const { phase, podIP, podIPs, conditions } = status ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: {
      nodeName,
      serviceAccountName,
      ...(hostNetwork !== undefined && { hostNetwork }),
      containers: containers.map(({ name, ports }) => (ports === undefined ? { name } : { name, ports })),
      ...(initContainers !== undefined && {
        initContainers: initContainers.map(({ name, ports, restartPolicy }) => ({ name, ports, restartPolicy })),
      }),
    },
    status: { phase, podIP, podIPs, conditions: conditions?.map(({ type, status: s }) => ({ type, status: s })) },
  };
}
