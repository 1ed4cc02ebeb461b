// Kubernetes objects -> model. In: informers of every kind that the model reads. Out: diffs to whoever listens.
// Owns the model; rebuilds it when the mesh configuration changes. Called by app.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import { Model, type ModelDiff, modelKinds, type ModelOptions, type ObjectChange } from '@ambit/model';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';

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
  close(): void;
}

/** Most changes that are applied in one turn, so that streams are served between the turns. */
const BATCH = 2_000;

/** Starts all informers. */
export function watchCluster(client: KubeClient, options: ModelOptions, log: Logger): ClusterState {
  let model = new Model(options);
  let queue: ObjectChange[] = [];
  let isScheduled = false;
  let isSynced = false;
  const listeners: ClusterListener[] = [];

  const run = (): void => {
    isScheduled = false;
    const batch = queue.splice(0, BATCH);
    const diff = model.apply(batch);
    for (const listener of listeners) listener(batch, diff);
    if (queue.length > 0) schedule();
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
      strip: withoutManagedFields,
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
    setOptions(next) {
      queue = [];
      model = new Model(next);
      for (const informer of informers) model.apply([...informer.list()].map((object) => ({ type: 'upsert', object })));
      for (const listener of listeners) listener([], undefined);
    },
    close() {
      for (const informer of informers) informer.close();
    },
  };
}

/** Field ownership is a large part of an object and of no use here. */
function withoutManagedFields(object: KubernetesObject): KubernetesObject {
  const metadata = object.metadata as { managedFields?: unknown } | undefined;
  if (metadata?.managedFields === undefined) return object;
  const { managedFields: _managedFields, ...rest } = metadata;
  return { ...object, metadata: rest };
}
