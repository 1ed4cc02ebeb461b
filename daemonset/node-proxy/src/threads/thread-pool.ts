/**
 * Number of data threads in; the threads, their requests and their heartbeats out. Main thread.
 *
 * Called by `app.ts`. A thread that dies takes the process with it: half of the traffic would hang otherwise, and the
 * node starts a new process at once.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import type { FlowBatch } from '@ambit/xds/flow-buffer';
import type { DataConfig, DumpedConnection, FromDataThread, PodAssignment, ToDataThread } from './messages.ts';
import type { ProfileRequest, ThreadProfile } from './profiler.ts';

/** Everything the pool tells its owner. */
export interface ThreadPoolEvents {
  onNeedCertificate(identity: string, thread: number): void;
  onMetrics(thread: number, report: Extract<FromDataThread, { kind: 'metrics' }>): void;
  /** What ended on a thread; only after a `flow-limit` above 0. */
  onFlows(batch: FlowBatch): void;
  /** A connection waits for these resources; resolves when they were published or will not be. Never rejects. */
  onDemand(names: readonly string[]): Promise<void>;
  /** A thread stopped answering, or answers again. */
  onHeartbeat(thread: number, alive: boolean): void;
  onDied(error: Error): void;
}

/** The data threads. */
export interface ThreadPool {
  readonly size: number;
  /** Resolves when all threads have loaded their code; rejects when one failed before. What is sent meanwhile waits for them. */
  readonly ready: Promise<void>;
  broadcast(message: ToDataThread): void;
  send(thread: number, message: ToDataThread): void;
  /** Starts one thread's half of a pod. Rejects with the thread's reason. */
  addPod(thread: number, pod: PodAssignment): Promise<void>;
  /** Ends a pod on all threads; resolves when none holds anything of it. */
  removePod(uid: string): Promise<void>;
  /** Drains all threads; resolves with the worst outcome and the number of connections cut. */
  drain(deadlineMs: number): Promise<{ readonly outcome: 'drained' | 'deadline'; readonly cut: number }>;
  /** Open connections by pod of all threads. */
  dump(): Promise<ReadonlyMap<string, readonly DumpedConnection[]>>;
  /** Profiles of all threads. Rejects with the first reason of one that has none, or that ended meanwhile. */
  profile(request: ProfileRequest): Promise<readonly ThreadProfile[]>;
  destroy(): Promise<void>;
}

/** A thread that does not answer for this long is not ready. */
export const HEARTBEAT_LIMIT_MS = 5000;
const HEARTBEAT_EVERY_MS = 1000;
const DUMP_LIMIT_MS = 2000;

type DumpedPods = Readonly<Record<string, readonly DumpedConnection[]>>;

interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, PromiseWithResolvers<void>>;
  readonly removing: Map<string, PromiseWithResolvers<void>>;
  readonly dumps: Map<number, PromiseWithResolvers<DumpedPods>>;
  readonly profiles: Map<number, PromiseWithResolvers<ThreadProfile>>;
  readonly drained: PromiseWithResolvers<{ outcome: 'drained' | 'deadline'; cut: number }>;
  readonly ready: PromiseWithResolvers<void>;
  answeredMs: number;
  alive: boolean;
}

/** Starts the threads and returns at once: they load their code while the main thread goes on. */
export function startThreadPool(options: {
  readonly threads: number;
  readonly configOf: (thread: number) => DataConfig;
  readonly events: ThreadPoolEvents;
  readonly clock: Clock;
  readonly log: Logger;
}): ThreadPool {
  const { events, clock, log } = options;
  let nextId = 1;
  let ending = false;
  const threads = Array.from({ length: options.threads }, (_, index) => start(index));

  function start(index: number): Thread {
    const config = options.configOf(index);
    const worker = new Worker(entry(), { workerData: config, name: config.threadName });
    const thread: Thread = {
      worker,
      pending: new Map(),
      removing: new Map(),
      dumps: new Map(),
      profiles: new Map(),
      drained: Promise.withResolvers(),
      ready: Promise.withResolvers(),
      answeredMs: clock.now(),
      alive: true,
    };
    worker.on('message', (message: FromDataThread) => onMessage(thread, index, message));
    worker.on('error', (error) => died(thread, index, error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => died(thread, index, new Error(`data thread ${index} ended with status ${code}`)));
    return thread;
  }

  function died(thread: Thread, index: number, error: Error): void {
    thread.ready.reject(error);
    for (const waiting of thread.pending.values()) waiting.reject(error);
    for (const waiting of thread.removing.values()) waiting.resolve();
    for (const waiting of thread.profiles.values()) waiting.reject(error);
    thread.drained.resolve({ outcome: 'deadline', cut: 0 });
    if (ending) return;
    ending = true;
    log.error('data thread failed', { thread: index, error: error.stack ?? error.message });
    events.onDied(error);
  }

  function onMessage(thread: Thread, index: number, message: FromDataThread): void {
    thread.answeredMs = clock.now();
    switch (message.kind) {
      case 'ready':
        thread.ready.resolve();
        return;
      case 'pod-added':
        thread.pending.get(message.id)?.resolve();
        thread.pending.delete(message.id);
        return;
      case 'pod-failed':
        thread.pending.get(message.id)?.reject(new Error(message.message));
        thread.pending.delete(message.id);
        return;
      case 'pod-removed':
        thread.removing.get(message.uid)?.resolve();
        thread.removing.delete(message.uid);
        return;
      case 'need-certificate':
        events.onNeedCertificate(message.identity, index);
        return;
      case 'metrics':
        events.onMetrics(index, message);
        return;
      case 'flows':
        events.onFlows(message.batch);
        return;
      case 'demand':
        void events.onDemand(message.names).then(() => {
          thread.worker.postMessage({ kind: 'demanded', id: message.id } satisfies ToDataThread);
          return undefined;
        });
        return;
      case 'drained':
        thread.drained.resolve({ outcome: message.outcome, cut: message.cut });
        return;
      case 'dump':
        thread.dumps.get(message.id)?.resolve(message.pods);
        thread.dumps.delete(message.id);
        return;
      case 'profiled': {
        const waiting = thread.profiles.get(message.id);
        thread.profiles.delete(message.id);
        if (typeof message.profile === 'string') waiting?.reject(new Error(message.profile));
        else waiting?.resolve(message.profile);
        return;
      }
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  const beat = setInterval(() => {
    for (const [index, thread] of threads.entries()) {
      const alive = clock.now() - thread.answeredMs < HEARTBEAT_LIMIT_MS;
      if (alive !== thread.alive) events.onHeartbeat(index, alive);
      thread.alive = alive;
      thread.worker.postMessage({ kind: 'ping', id: nextId } satisfies ToDataThread);
      nextId += 1;
    }
  }, HEARTBEAT_EVERY_MS);
  beat.unref();

  /** Sends a question with a number of its own; `onMessage` and `died` settle the answer. */
  async function ask<T>(
    thread: Thread,
    waiting: Map<number, PromiseWithResolvers<T>>,
    question: (id: number) => ToDataThread,
  ): Promise<T> {
    const id = nextId;
    nextId += 1;
    const answer = Promise.withResolvers<T>();
    waiting.set(id, answer);
    thread.worker.postMessage(question(id));
    return answer.promise;
  }

  const ready = Promise.all(threads.map(async (thread) => thread.ready.promise)).then(() => undefined);
  // Who waits for it hears of a failure; `onDied` tells everybody else.
  ready.catch(() => undefined);
  const broadcast = (message: ToDataThread): void => {
    for (const { worker } of threads) worker.postMessage(message);
  };

  return {
    size: threads.length,
    ready,
    broadcast,
    send: (index, message) => threads[index]?.worker.postMessage(message),
    async addPod(index, pod) {
      const thread = threads[index];
      if (thread === undefined) throw new Error(`there is no data thread ${index}`);
      await ask(thread, thread.pending, (id) => ({ kind: 'pod-add', id, pod }));
    },
    async removePod(uid) {
      await Promise.all(
        threads.map(async (thread) => {
          const waiting = Promise.withResolvers<void>();
          thread.removing.set(uid, waiting);
          thread.worker.postMessage({ kind: 'pod-remove', uid } satisfies ToDataThread);
          await waiting.promise;
        }),
      );
    },
    async drain(deadlineMs) {
      broadcast({ kind: 'drain', deadlineMs });
      const all = await Promise.all(threads.map(async (thread) => thread.drained.promise));
      const outcome = all.some((one) => one.outcome === 'deadline') ? 'deadline' : 'drained';
      return { outcome, cut: all.reduce((sum, one) => sum + one.cut, 0) };
    },
    async dump() {
      const merged = new Map<string, DumpedConnection[]>();
      await Promise.all(
        threads.map(async (thread) => {
          const late = Promise.withResolvers<DumpedPods>();
          using _limit = clock.setTimeout(() => late.resolve({}), DUMP_LIMIT_MS);
          const answer = ask(thread, thread.dumps, (id) => ({ kind: 'dump', id }));
          for (const [uid, list] of Object.entries(await Promise.race([answer, late.promise]))) {
            merged.set(uid, [...(merged.get(uid) ?? []), ...list]);
          }
        }),
      );
      return merged;
    },
    async profile(request) {
      return Promise.all(
        threads.map(async (thread) => ask(thread, thread.profiles, (id) => ({ kind: 'profile', id, request }))),
      );
    },
    async destroy() {
      ending = true;
      clearInterval(beat);
      await Promise.all(threads.map(async ({ worker }) => worker.terminate()));
    },
  };
}

/** The worker's file: source in development, emitted JavaScript in images. */
function entry(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./data-thread.${extension}`, import.meta.url);
}
