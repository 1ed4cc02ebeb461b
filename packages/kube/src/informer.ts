// Keeps a copy of all objects of one kind. In: list and watch of a KubeClient. Out: changes, in order, and a synced promise.
// Never reports a deletion that a failed or partial list suggests; survives restarts of the API server by listing again.
// Called by the control plane and the node agent; main thread.
import { setImmediate } from 'node:timers/promises';
import { type Backoff, createBackoff } from '@ambit/runtime/backoff';
import { sleep } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { KindName, KubernetesObject } from '@ambit/resources';
import type { KubeClient, ListOptions, WatchEvent } from './client.ts';
import { KubeError } from './errors.ts';

/** One change of a watched kind. */
export type InformerChange =
  | { readonly type: 'upsert'; readonly object: KubernetesObject }
  | { readonly type: 'delete'; readonly kind: KindName; readonly namespace: string; readonly name: string };

/** Settings of {@link startInformer}. */
export interface InformerOptions {
  readonly client: KubeClient;
  readonly kind: KindName;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Changes since the last call; a list arrives as one batch. Must not throw. */
  readonly onChanges: (changes: readonly InformerChange[]) => void;
  readonly log: Logger;
  /** Drops fields that nobody reads before an object is kept. */
  readonly strip?: (object: KubernetesObject) => KubernetesObject;
  /** Pause between failed attempts. Default 200 ms to 10 s. */
  readonly backoff?: Backoff;
  /** True when the work goes on without this kind: a missing role then counts as an empty list, and is said once. */
  readonly isOptional?: boolean;
  /** How often a kind that the server does not know is asked for again. Default 5 000 ms. */
  readonly unknownKindMs?: number;
}

/** A running informer. */
export interface Informer {
  readonly kind: KindName;
  /** Settles after the first complete list, or when the server does not know (or, if optional, does not show) the kind. Never rejects. */
  readonly synced: Promise<void>;
  get(namespace: string, name: string): KubernetesObject | undefined;
  list(): Iterable<KubernetesObject>;
  /** Stops watching; idempotent. */
  close(): void;
}

/** Listed objects that are taken in one turn of the event loop. */
const TURN_ITEMS = 2_000;

const keyOf = (object: KubernetesObject): string =>
  `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

/** Starts to list and watch a kind until closed. */
export function startInformer(options: InformerOptions): Informer {
  const { client, kind, onChanges, strip = (o) => o, unknownKindMs = 5_000 } = options;
  const log = options.log.child('informer');
  const backoff = options.backoff ?? createBackoff({ initialMs: 200, maxMs: 10_000, jitter: 0.5 });
  const objects = new Map<string, KubernetesObject>();
  const stop = new AbortController();
  const { promise: synced, resolve: setSynced } = Promise.withResolvers<void>();
  const query: ListOptions = {
    namespace: options.namespace,
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    signal: stop.signal,
  };

  const list = async (): Promise<string> => {
    const { items, resourceVersion } = await client.list(kind, query);
    const gone = new Map(objects);
    const changes: InformerChange[] = [];
    let sinceTurn = 0;
    for (const item of items) {
      // A hundred thousand objects take a while: others get their turns.
      if (++sinceTurn % TURN_ITEMS === 0) await setImmediate();
      const key = keyOf(item);
      const known = objects.get(key);
      gone.delete(key);
      if (known !== undefined && known.metadata?.resourceVersion === item.metadata?.resourceVersion) continue;
      const object = strip(item);
      objects.set(key, object);
      changes.push({ type: 'upsert', object });
    }
    for (const [key, object] of gone) {
      objects.delete(key);
      changes.push(deletionOf(kind, object));
    }
    if (changes.length > 0) onChanges(changes);
    return resourceVersion;
  };

  const take = (event: Exclude<WatchEvent, { type: 'BOOKMARK' }>): void => {
    const key = keyOf(event.object);
    if (event.type === 'DELETED') {
      if (objects.delete(key)) onChanges([deletionOf(kind, event.object)]);
      return;
    }
    const object = strip(event.object);
    objects.set(key, object);
    onChanges([{ type: 'upsert', object }]);
  };

  /** Watches from a version on until the watch ends well; gives the last version seen. */
  const follow = async (from: string): Promise<string> => {
    let version = from;
    for await (const event of client.watch(kind, from, query)) {
      backoff.reset();
      if (event.type === 'BOOKMARK') {
        version = event.resourceVersion;
        continue;
      }
      version = event.object.metadata?.resourceVersion ?? version;
      take(event);
    }
    return version;
  };

  const run = async (): Promise<void> => {
    let version: string | undefined;
    let isRefusalTold = false;
    while (!stop.signal.aborted) {
      try {
        version ??= await list();
        setSynced();
        const startedAt = Date.now();
        version = await follow(version);
        // A server that ends watches at once must not make us spin.
        if (Date.now() - startedAt < 1_000) await pause(backoff.next());
      } catch (error) {
        if (stop.signal.aborted) return;
        if (isUnknownKind(error) || (options.isOptional === true && KubeError.is(error, 'ERR_KUBE_FORBIDDEN'))) {
          if (!isUnknownKind(error) && !isRefusalTold)
            log.warn('may not be watched, going on without', { kind, error: messageOf(error) });
          isRefusalTold = !isUnknownKind(error);
          setSynced();
          await pause(unknownKindMs);
          version = undefined;
          continue;
        }
        // After 410 or a broken watch the only safe thing is a new list; the objects stay as they are until it succeeds.
        version = undefined;
        const delayMs = KubeError.is(error, 'ERR_KUBE_GONE') ? 0 : backoff.next();
        log.warn('watch interrupted, listing again', { kind, error: messageOf(error), delayMs });
        await pause(delayMs);
      }
    }
  };
  const pause = async (ms: number): Promise<void> => {
    await sleep(ms, { signal: stop.signal }).catch(() => {});
  };
  run().catch((error: unknown) => log.error('informer stopped', { kind, error: messageOf(error) }));

  return {
    kind,
    synced,
    get: (namespace, name) => objects.get(`${namespace}/${name}`),
    list: () => objects.values(),
    close: () => stop.abort(new KubeError('ERR_KUBE_UNREACHABLE', 'informer closed')),
  };
}

/** A 404 on a collection means that the server does not serve the kind (its CRD is not installed). */
function isUnknownKind(error: unknown): boolean {
  return KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
}

function deletionOf(kind: KindName, object: KubernetesObject): InformerChange {
  return { type: 'delete', kind, namespace: object.metadata?.namespace ?? '', name: object.metadata?.name ?? '' };
}
