/**
 * ZDS steps in; pods started, replaced, kept and stopped. Main thread.
 *
 * Called by `zds-client.ts`. Owns the set of pods and the network namespace descriptors; starting one is
 * `pod-proxy.ts`. A pod that cannot start is pending and tried again every 5 s; it never holds up another
 * (spec/node-proxy.md 8.4, 8.5).
 */
import type { Clock } from '@ambit/runtime/clock';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import { errorText } from '../telemetry/response-flags.ts';
import type { ZdsStepHandler } from './zds-client.ts';
import type { WorkloadInfo, ZdsStep } from './zds-protocol.ts';

/** A started pod. */
export interface RunningPod {
  /** Ends it at once: listeners and connections. Resolves when nothing of it is left; never rejects. */
  stop(): Promise<void>;
}

/** What the manager needs from outside. */
export interface WorkloadManagerOptions {
  /** Starts the listeners of a pod. Does not take the descriptor: the manager closes it after `stop`. */
  readonly start: (pod: PodSpec) => Promise<RunningPod>;
  /** Identity of a namespace descriptor (device and inode), to tell a repeated add from a replaced pod. */
  readonly netnsId: (fd: number) => string;
  readonly closeFd: (fd: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: () => void;
  readonly counters: { started(): void; stopped(): void };
}

/** One pod to start. */
export interface PodSpec {
  readonly uid: string;
  readonly workload: WorkloadInfo;
  readonly netns: number | undefined;
}

/** Wait before a pod that could not start is tried again. */
export const RETRY_MS = 5000;

interface Held {
  readonly spec: PodSpec;
  readonly netnsId: string;
  state: { readonly kind: 'pending'; readonly timer: Disposable } | { readonly kind: 'up'; readonly pod: RunningPod };
}

/** One row of the admin dump. */
export interface PodState {
  readonly uid: string;
  readonly state: 'Pending' | 'Up';
  readonly workload: WorkloadInfo;
}

/** The pods of this node. */
export interface WorkloadManager extends ZdsStepHandler {
  /** True when a snapshot was received on a live connection and no pod is pending. */
  readonly isReady: boolean;
  list(): readonly PodState[];
  /** Stops all pods at once. */
  stopAll(): Promise<void>;
}

/** Makes an empty manager. */
export function createWorkloadManager(options: WorkloadManagerOptions): WorkloadManager {
  const pods = new Map<string, Held>();
  let connected = false;
  let complete = false;
  const { log, clock } = options;

  const release = (held: Held): void => {
    if (held.spec.netns !== undefined) options.closeFd(held.spec.netns);
  };
  const stop = async (uid: string): Promise<void> => {
    const held = pods.get(uid);
    if (held === undefined) return;
    pods.delete(uid);
    if (held.state.kind === 'pending') held.state.timer[Symbol.dispose]();
    else {
      await held.state.pod.stop();
      options.counters.stopped();
      log.info('pod stopped', podFields(held.spec));
    }
    release(held);
    options.onChange();
  };
  const retryLater = (spec: PodSpec): Disposable =>
    clock.setTimeout(() => background(log, 'retry pod', retry(spec)), RETRY_MS);
  const retry = async (spec: PodSpec): Promise<void> => {
    const held = pods.get(spec.uid);
    if (held?.spec !== spec || held.state.kind === 'up') return;
    try {
      const pod = await options.start(spec);
      await settle(held, pod);
    } catch (error) {
      log.warn('pod still cannot start', { ...podFields(spec), error: errorText(error) });
      if (pods.get(spec.uid) === held) held.state = { kind: 'pending', timer: retryLater(spec) };
    }
  };
  /** Keeps a pod that started, unless it was deleted meanwhile. */
  const settle = async (held: Held, pod: RunningPod): Promise<void> => {
    if (pods.get(held.spec.uid) !== held) {
      await pod.stop();
      return;
    }
    held.state = { kind: 'up', pod };
    options.counters.started();
    log.info('pod started', podFields(held.spec));
    options.onChange();
  };
  const start = async (spec: PodSpec): Promise<void> => {
    const netnsId = spec.netns === undefined ? '' : options.netnsId(spec.netns);
    const known = pods.get(spec.uid);
    if (known?.netnsId === netnsId && known.state.kind === 'up') {
      if (spec.netns !== undefined) options.closeFd(spec.netns);
      return;
    }
    await stop(spec.uid);
    const held: Held = { spec, netnsId, state: { kind: 'pending', timer: { [Symbol.dispose]: () => undefined } } };
    pods.set(spec.uid, held);
    options.onChange();
    try {
      await settle(held, await options.start(spec));
    } catch (error) {
      log.warn('pod cannot start', { ...podFields(spec), error: errorText(error) });
      held.state = { kind: 'pending', timer: retryLater(spec) };
      throw error;
    }
  };
  const retain = async (uids: ReadonlySet<string>): Promise<void> => {
    const gone = [...pods.keys()].filter((uid) => !uids.has(uid));
    await Promise.all(gone.map(async (uid) => stop(uid)));
    complete = true;
    log.info('snapshot complete', { pods: pods.size });
    options.onChange();
  };
  const unqueue = async (uid: string): Promise<void> => {
    if (pods.get(uid)?.state.kind === 'pending') await stop(uid);
  };

  return {
    get isReady() {
      return connected && complete && [...pods.values()].every((held) => held.state.kind === 'up');
    },
    list: () =>
      [...pods.values()].map(({ spec, state }) => ({
        uid: spec.uid,
        state: state.kind === 'up' ? 'Up' : 'Pending',
        workload: spec.workload,
      })),
    onConnect() {
      connected = true;
      complete = false;
      options.onChange();
    },
    onDisconnect() {
      connected = false;
      complete = false;
      options.onChange();
    },
    async perform(step: Exclude<ZdsStep, { kind: 'protocol-error' }>) {
      switch (step.kind) {
        case 'start':
          return start({ uid: step.uid, workload: step.workload, netns: step.netns });
        case 'stop':
          return stop(step.uid);
        case 'unqueue':
          return unqueue(step.uid);
        case 'retain':
          return retain(step.uids);
        case 'nothing':
          return undefined;
        default:
          return step satisfies never;
      }
    },
    async stopAll() {
      await Promise.all([...pods.keys()].map(async (uid) => stop(uid)));
    },
  };
}

function podFields(spec: PodSpec): Record<string, string> {
  return { uid: spec.uid, wl: `${spec.workload.namespace}/${spec.workload.name}` };
}
