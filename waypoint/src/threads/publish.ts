/**
 * The data threads as the main thread sees them: starts them, sends every change to all of them, collects answers.
 * In: diffs and certificates. Out: worker messages. Called by app.ts; main thread. It never sees a payload byte.
 */
import { Worker } from 'node:worker_threads';
import type { Logger } from '@ambit/runtime/log';
import type { FlowBatch } from '@ambit/xds/flow-buffer';
import { WaypointError } from '../errors.ts';
import { mergeExpositions } from '../telemetry/merge-exposition.ts';
import type { DataThreadSettings, FromDataThread, ToDataThread } from './messages.ts';

/** Longest wait for an answer of a data thread. */
const answerMs = 2000;

type Ejected = FromDataThread & { readonly kind: 'ejected' };

/** What the threads tell the app. */
export interface DataThreadEvents {
  /** A thread asks for a WDS address; answer with a `looked-up` message to all. */
  readonly onLookup: (key: string) => void;
  /** A thread misses keys of this URI; answer with a `jwks` message to all. */
  readonly onJwksWanted: (uri: string) => void;
  /** What ended on a thread; only after a `flow-limit` above 0. */
  readonly onFlows: (batch: FlowBatch) => void;
  /** A thread found an endpoint ill: the others have to know. */
  readonly onEjected: (message: Ejected, sender: unknown) => void;
  /** A thread died: the process must end. */
  readonly onFailed: (error: Error) => void;
}

/** All data threads. */
export interface DataThreads {
  /** Sends to every thread, in order. */
  broadcast(message: ToDataThread): void;
  /** Resolves with the port when every thread accepts connections. */
  readonly listening: Promise<number>;
  /** Exposition of all threads added up. */
  metrics(): Promise<string>;
  /** True when every thread answered a ping in time. */
  isAlive(): Promise<boolean>;
  /** GOAWAY everywhere; resolves when no tunnel is left. */
  drain(): Promise<void>;
  destroy(): Promise<void>;
}

/** Starts `count` threads. */
export const startDataThreads = (
  count: number,
  settings: DataThreadSettings,
  events: Omit<DataThreadEvents, 'onEjected'>,
  log: Logger,
): DataThreads => {
  const onEjected: DataThreadEvents['onEjected'] = (message, sender) => {
    for (const thread of threads) if (thread !== sender) thread.send(message);
  };
  const threads = Array.from({ length: count }, () => new DataThread(settings, { ...events, onEjected }, log));
  let nextId = 0;
  const broadcast = (message: ToDataThread): void => {
    for (const thread of threads) thread.send(message);
  };
  const askAll = (make: (id: number) => ToDataThread): Promise<(FromDataThread | undefined)[]> =>
    Promise.all(
      threads.map((thread) => {
        nextId += 1;
        return thread.ask(make(nextId), nextId);
      }),
    );
  return {
    broadcast,
    listening: Promise.all(threads.map((thread) => thread.listening)).then((ports) => ports[0] as number),
    metrics: async () => {
      const answers = await askAll((id) => ({ kind: 'scrape', id }));
      return mergeExpositions(answers.flatMap((answer) => (answer?.kind === 'metrics' ? [answer.text] : [])));
    },
    isAlive: async () => (await askAll((id) => ({ kind: 'ping', id }))).every((answer) => answer !== undefined),
    drain: async () => {
      broadcast({ kind: 'drain' });
      await Promise.all(threads.map((thread) => thread.drained));
    },
    destroy: async () => {
      await Promise.all(threads.map((thread) => thread.destroy()));
    },
  };
};

/** Sources run as `.ts`, the build as `.js`. */
const entry = new URL(import.meta.url.endsWith('.ts') ? './data-thread.ts' : './data-thread.js', import.meta.url);

class DataThread {
  readonly listening: Promise<number>;
  readonly drained: Promise<void>;
  readonly #worker: Worker;
  readonly #answers = new Map<number, (message: FromDataThread | undefined) => void>();
  #isEnding = false;

  constructor(settings: DataThreadSettings, events: DataThreadEvents, log: Logger) {
    const listening = Promise.withResolvers<number>();
    const drained = Promise.withResolvers<void>();
    this.listening = listening.promise;
    this.drained = drained.promise;
    this.#worker = new Worker(entry, { workerData: settings, name: 'waypoint-data' });
    const fail = (error: Error): void => {
      listening.reject(error);
      drained.resolve();
      if (!this.#isEnding) events.onFailed(error);
    };
    this.listening.catch(() => undefined);
    this.#worker.on('error', (cause) =>
      fail(new WaypointError('ERR_WAYPOINT_THREAD', 'data thread failed', { cause })),
    );
    this.#worker.on('exit', (code) =>
      fail(new WaypointError('ERR_WAYPOINT_THREAD', `data thread ended with status ${code}`)),
    );
    this.#worker.on('message', (message: FromDataThread) => {
      switch (message.kind) {
        case 'listening':
          log.info('tunnels are accepted', { address: message.ip, port: message.port });
          listening.resolve(message.port);
          return;
        case 'lookup':
          events.onLookup(message.key);
          return;
        case 'jwks-wanted':
          events.onJwksWanted(message.uri);
          return;
        case 'flows':
          events.onFlows(message.batch);
          return;
        case 'ejected':
          events.onEjected(message, this);
          return;
        case 'metrics':
        case 'pong':
          this.#answers.get(message.id)?.(message);
          return;
        case 'drained':
          drained.resolve();
          return;
        case 'failed':
          fail(new WaypointError('ERR_WAYPOINT_THREAD', `data thread could not start: ${message.reason}`));
          return;
        default:
          message satisfies never;
      }
    });
  }

  send(message: ToDataThread): void {
    this.#worker.postMessage(message);
  }

  /** Sends a question; undefined when there is no answer in time. */
  ask(message: ToDataThread, id: number): Promise<FromDataThread | undefined> {
    const { promise, resolve } = Promise.withResolvers<FromDataThread | undefined>();
    const timer = setTimeout(() => resolve(undefined), answerMs).unref();
    this.#answers.set(id, resolve);
    this.send(message);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#answers.delete(id);
    });
  }

  async destroy(): Promise<void> {
    this.#isEnding = true;
    this.send({ kind: 'destroy' });
    await this.#worker.terminate();
  }
}
