// Writes what the model wants as status (spec control-plane 9.1). Runs while this replica leads; on winning, everything is looked
// at again. In: conditions and statuses of diffs. Out: writes, each object at most one at a time. Main thread.
import { type KubeClient, KubeError } from '@ambit/kube';
import type { Model, ModelDiff, ObjectConditions, StatusResult } from '@ambit/model';
import type { KindName, KubernetesObject } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { now } from '../gateways/classes.ts';
import { conditionsBody, statusPatch } from './body.ts';

/** Settings of {@link createStatusWriter}. */
export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly workers: number;
  readonly writesConditions: boolean;
  readonly writesGatewayStatus: boolean;
  readonly log: Logger;
}

/** A writer that is idle until it leads. */
export interface StatusWriter {
  /** Takes over wanted statuses; written only while leading. */
  onDiff(diff: ModelDiff): void;
  /** Starts writing: everything that the model wants is compared with the cluster. */
  lead(model: Model, signal: AbortSignal): void;
  /** Looks at everything again, after the translation was made anew. */
  onNewModel(model: Model): void;
}

type Task = { readonly conditions: ObjectConditions } | { readonly status: StatusResult };

const ATTEMPTS = 5;
/** Pause after all attempts failed. */
const LATER_MS = 15_000;

/** Makes the writer. */
export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, workers, log } = options;
  const pending = new Map<string, Task>();
  /** Under way. A newer wish for the same object waits: written at the same time, the older one could win. */
  const writing = new Set<string>();
  /** Newest wish of each object that is not written yet: what is tried again later must not be an older one. */
  const latest = new Map<string, Task>();
  let term: AbortSignal | undefined;

  const isLeading = (): boolean => term?.aborted === false;
  const add = (task: Task): void => {
    const isWanted = 'conditions' in task ? options.writesConditions : options.writesGatewayStatus;
    if (!isWanted || !isLeading()) return;
    pending.set(keyOf(task), task);
    latest.set(keyOf(task), task);
  };
  const addAll = (model: Model): void => {
    pending.clear();
    for (const conditions of model.conditions()) add({ conditions });
    for (const status of model.statuses()) add({ status });
    start();
  };
  const takeNext = (): [string, Task] | undefined => {
    if (!isLeading()) pending.clear();
    for (const entry of pending) {
      if (writing.has(entry[0])) continue;
      pending.delete(entry[0]);
      return entry;
    }
    return undefined;
  };
  const start = (): void => {
    while (writing.size < workers) {
      const next = takeNext();
      if (next === undefined) return;
      writing.add(next[0]);
      background(log, 'status writer', work(...next));
    }
  };
  const work = async (key: string, task: Task): Promise<void> => {
    try {
      await writeWithRetry(task);
    } finally {
      writing.delete(key);
      start();
    }
  };
  const tryLater = (task: Task): void => {
    setTimeout(() => {
      if (latest.get(keyOf(task)) === task) add(task);
      start();
    }, LATER_MS).unref();
  };
  const writeWithRetry = async (task: Task): Promise<void> => {
    for (let attempt = 1; isLeading(); attempt++) {
      try {
        await write(task);
        if (latest.get(keyOf(task)) === task) latest.delete(keyOf(task));
        return;
      } catch (error) {
        // Gone objects and kinds need no status; a newer wish is already in the queue.
        if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND') || pending.has(keyOf(task))) return;
        if (attempt >= ATTEMPTS || KubeError.is(error, 'ERR_KUBE_FORBIDDEN', 'ERR_KUBE_INVALID')) {
          log.warn('status not written', { object: keyOf(task), error: explain(error) });
          if (!KubeError.is(error, 'ERR_KUBE_INVALID')) tryLater(task);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt).unref());
      }
    }
  };
  const write = async (task: Task): Promise<void> => {
    if ('conditions' in task) {
      const { kind, namespace, name, manager } = task.conditions;
      const current = (await client.get({ kind, namespace, name })) as KubernetesObject | undefined;
      const body = current && conditionsBody(task.conditions, current, now());
      if (body !== undefined) await client.apply(body, { fieldManager: manager, subresource: 'status' });
      return;
    }
    const { kind, key } = task.status;
    const [namespace = '', name = ''] = key.split('/');
    const ref = { kind: kind as KindName, namespace, name };
    const current = (await client.get(ref)) as KubernetesObject | undefined;
    const patch = current && statusPatch(task.status, current, now());
    if (patch !== undefined) await client.patch(ref, patch, { type: 'merge', subresource: 'status' });
  };

  return {
    onDiff(diff) {
      for (const conditions of diff.conditions) add({ conditions });
      for (const status of diff.statuses) add({ status });
      start();
    },
    lead(model, signal) {
      term = signal;
      addAll(model);
    },
    onNewModel: addAll,
  };
}

function keyOf(task: Task): string {
  if ('status' in task) return `${task.status.kind} ${task.status.key}`;
  const { kind, namespace, name, manager } = task.conditions;
  return `${kind} ${namespace}/${name} ${manager}`;
}
