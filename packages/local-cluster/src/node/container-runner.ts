// One container of a pod from first start to last exit: starts, probes, restarts, stops.
// Comes in: the container and a way to prepare and start it. Goes out: its ContainerStatus, changed through `onChange`.
// Owned by the pod worker. Main thread.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { nowSeconds } from '../controllers/context.ts';
import type { Container, ContainerState, ContainerStatus, LifecycleHandler } from '../controllers/objects.ts';
import { createContainerLog, tailOfLog } from './container-log.ts';
import type { ContainerLog } from './container-log.ts';
import { startTimeOf } from './host-process.ts';
import type { ResolvedImage } from './images.ts';
import { killTree } from './process-tree.ts';
import { requestHttp, startProbe } from './probe.ts';
import type { ProbeTarget, RunningProbe } from './probe.ts';
import type { ContainerExit, ContainerProcess, ContainerStart, PodSandbox } from './sandbox.ts';
import { createWakeUp } from './wake-up.ts';

/** What a runner needs from its pod. */
export interface RunnerOptions {
  readonly container: Container;
  /** `init` runs once to success, `sidecar` and `main` stay, `ephemeral` runs once. */
  readonly kind: 'init' | 'sidecar' | 'main' | 'ephemeral';
  /** Always, OnFailure or Never, as it applies to this container. */
  readonly restartPolicy: string;
  readonly dir: string;
  /** The pod as messages name it: `name_namespace(uid)`. */
  readonly podLabel: string;
  readonly sandbox: PodSandbox;
  readonly log: Logger;
  /** Restarts before this runner: the container ran on this pod already. */
  readonly restarts: number;
  /** What the image map says now; undefined while no entry matches. */
  image(): ResolvedImage | undefined;
  /** Resolves environment and mounts; rejects while something is missing. */
  prepare(image: ResolvedImage): Promise<Omit<ContainerStart, 'id' | 'dir' | 'image' | 'name' | 'stdin' | 'tty'>>;
  onChange(): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** A container under control. */
export interface ContainerRunner {
  readonly name: string;
  readonly kind: RunnerOptions['kind'];
  /** The input ends with the first client of attach. */
  readonly isStdinOnce: boolean;
  status(): ContainerStatus;
  /** Starts the loop; resolves when the container will not run again. */
  run(): Promise<void>;
  /** Resolves when it is started in the sense of its startup probe (or ended for good). */
  started(): Promise<void>;
  /** Something outside changed: try again now if waiting. */
  wake(): void;
  /** preStop, SIGTERM, SIGKILL after the grace. Idempotent; a shorter grace wins. */
  stop(graceMs: number): Promise<void>;
  process(): ContainerProcess | undefined;
  logOf(previous: boolean): { file: string; live: ContainerLog | undefined } | undefined;
}

const FIRST_BACKOFF_MS = 10_000;
const LAST_BACKOFF_MS = 300_000;
const RESET_AFTER_MS = 600_000;
const RETRY_MS = 1000;
const IMAGE_RETRY_MS = 10_000;

/** Makes the runner of one container; `run()` starts it. */
export function createContainerRunner(options: RunnerOptions): ContainerRunner {
  const { container, sandbox } = options;
  let image = options.image();
  const wakeUp = createWakeUp();
  const firstStart = Promise.withResolvers<void>();
  let state: ContainerState = {
    waiting: { reason: options.kind === 'init' ? 'PodInitializing' : 'ContainerCreating' },
  };
  let lastState: ContainerState = {};
  let restartCount = options.restarts;
  let isReady = false;
  let isStarted = false;
  let containerId: string | undefined;
  let live: ContainerProcess | undefined;
  let currentLog: ContainerLog | undefined;
  let stopping = false;
  let stopped: Promise<void> | undefined;
  let backoffMs = 0;
  let probes: RunningProbe[] = [];

  mkdirSync(options.dir, { recursive: true });

  const set = (next: ContainerState): void => {
    state = next;
    options.onChange();
  };

  const target: ProbeTarget = {
    dial: (port, host, timeoutMs) => sandbox.dialFromNode(port, host, timeoutMs),
    exec: (command, timeoutMs) => execOnce(live, command, timeoutMs),
  };

  const beginProbes = (process: ContainerProcess): void => {
    const { livenessProbe, readinessProbe, startupProbe } = container;
    const watchReadiness = (): void => {
      isStarted = true;
      firstStart.resolve();
      if (readinessProbe === undefined) isReady = true;
      else {
        probes.push(
          startProbe(readinessProbe, container, target, (isHealthy, message) => {
            if (!isHealthy) options.event('Warning', 'Unhealthy', `Readiness probe failed: ${message}`);
            if (isReady === isHealthy || stopping) return;
            isReady = isHealthy;
            options.onChange();
          }),
        );
      }
      if (livenessProbe !== undefined) probes.push(watchLife(livenessProbe, 'Liveness', process));
      options.onChange();
    };
    if (startupProbe === undefined) return watchReadiness();
    const startup = startProbe(startupProbe, container, target, (isHealthy, message) => {
      startup.close();
      if (isHealthy) return watchReadiness();
      options.event('Warning', 'Unhealthy', `Startup probe failed: ${message}`);
      endUnhealthy(process, 'startup');
    });
    probes.push(startup);
  };

  const watchLife = (
    probe: NonNullable<Container['livenessProbe']>,
    what: string,
    process: ContainerProcess,
  ): RunningProbe =>
    startProbe(probe, container, target, (isHealthy, message) => {
      if (isHealthy) return;
      options.event('Warning', 'Unhealthy', `${what} probe failed: ${message}`);
      endUnhealthy(process, what.toLowerCase());
    });

  const endUnhealthy = (process: ContainerProcess, what: string): void => {
    options.event('Normal', 'Killing', `Container ${container.name} failed ${what} probe, will be restarted`);
    endProbes();
    background(options.log, 'end unhealthy container', endProcess(process, 30_000));
  };

  const endProbes = (): void => {
    for (const probe of probes) probe.close();
    probes = [];
  };

  const startOnce = async (found: ResolvedImage): Promise<void> => {
    const prepared = await options.prepare(found);
    if (stopping) return;
    const id = randomBytes(32).toString('hex');
    const dir = join(options.dir, id.slice(0, 12));
    mkdirSync(dir, { recursive: true });
    const present = `Container image ${JSON.stringify(container.image ?? '')} already present on machine`;
    options.event('Normal', 'Pulled', `${present} and can be accessed by the pod`);
    const messageFile = join(dir, 'termination-log');
    writeFileSync(messageFile, '');
    chmodSync(messageFile, 0o666);
    const messagePath = normalize(`/${container.terminationMessagePath ?? 'dev/termination-log'}`);
    const process = await sandbox.startContainer({
      ...prepared,
      mounts: [...prepared.mounts, { source: messageFile, target: messagePath, readOnly: false }],
      id,
      dir,
      image: found,
      name: container.name,
      stdin: container.stdin === true,
      tty: container.tty === true,
    });
    containerId = `ambit://${id}`;
    live = process;
    const log = createContainerLog(options.dir, restartCount);
    currentLog = log;
    process.stdout.on('data', (chunk: Buffer) => log.write('stdout', chunk));
    process.stderr.on('data', (chunk: Buffer) => log.write('stderr', chunk));
    const outputEnded = Promise.all([ended(process.stdout), ended(process.stderr)]);
    await record(dir, process);
    const startedAtMs = Date.now();
    set({ running: { startedAt: nowSeconds() } });
    options.event('Normal', 'Created', `Created container: ${container.name}`);
    options.event('Normal', 'Started', `Started container ${container.name}`);
    if (container.lifecycle?.postStart !== undefined) await runHook(container.lifecycle.postStart, 'PostStart');
    beginProbes(process);
    const exit = await process.exited;
    endProbes();
    // Grandchildren may hold the pipes: the log ends with the container all the same.
    await Promise.race([outputEnded, delay(200)]);
    await log.end();
    live = undefined;
    isReady = false;
    isStarted = false;
    if (Date.now() - startedAtMs > RESET_AFTER_MS) backoffMs = 0;
    const message = lastWords(container, exit, messageFile, log.file);
    set({ terminated: { ...terminated(exit, startedAtMs, containerId), ...(message === '' ? {} : { message }) } });
  };

  const runHook = async (hook: LifecycleHandler, what: string): Promise<void> => {
    try {
      if (hook.exec !== undefined) {
        const code = await target.exec(hook.exec.command, 30_000);
        if (code !== 0) throw new Error(`command exited with ${code}`);
      } else if (hook.httpGet !== undefined) await requestHttp(hook.httpGet, container, target, 30_000);
      else if (hook.sleep !== undefined) await delay(hook.sleep.seconds * 1000);
    } catch (error) {
      options.event('Warning', `Failed${what}Hook`, `${what}Hook failed: ${messageOf(error)}`);
    }
  };

  const mayRunAgain = (): boolean => {
    if (stopping) return false;
    const code = state.terminated?.exitCode;
    if (code === undefined) return true;
    if (options.kind === 'ephemeral' || (options.kind === 'init' && code === 0)) return false;
    if (options.restartPolicy === 'Always') return options.kind !== 'init' || code !== 0;
    return options.restartPolicy === 'OnFailure' && code !== 0;
  };

  const waitForImage = async (limitMs: number): Promise<void> => {
    const until = Date.now() + limitMs;
    while (!stopping && options.image() === undefined && Date.now() < until) await wakeUp.wait(RETRY_MS);
  };

  // An image that the map does not have shows what one shows that a registry does not have.
  const missImage = async (): Promise<void> => {
    const name = JSON.stringify(container.image ?? '');
    const why = `no entry of the image map matches ${container.image ?? ''}; add { match, command } to images.yaml`;
    options.event('Normal', 'Pulling', `Pulling image ${name}`);
    options.event('Warning', 'Failed', `Failed to pull image ${name}: ${why}`);
    options.event('Warning', 'Failed', 'Error: ErrImagePull');
    set({ waiting: { reason: 'ErrImagePull', message: why } });
    await waitForImage(IMAGE_RETRY_MS);
    if (stopping || options.image() !== undefined) return;
    options.event('Normal', 'BackOff', `Back-off pulling image ${name}`);
    options.event('Warning', 'Failed', 'Error: ImagePullBackOff');
    set({ waiting: { reason: 'ImagePullBackOff', message: `Back-off pulling image ${name}: ErrImagePull: ${why}` } });
    await waitForImage(LAST_BACKOFF_MS);
  };

  const run = async (): Promise<void> => {
    while (!stopping) {
      image = options.image();
      if (image === undefined) {
        await missImage();
        continue;
      }
      try {
        await startOnce(image);
      } catch (error) {
        const message = messageOf(error);
        if (state.waiting?.message !== message) {
          options.event('Warning', 'Failed', `Error: ${message}`);
          set({ waiting: { reason: 'CreateContainerConfigError', message } });
        }
        await wakeUp.wait(RETRY_MS);
        continue;
      }
      if (!mayRunAgain()) break;
      await pauseBeforeRestart();
    }
    firstStart.resolve();
    options.onChange();
  };

  const pauseBeforeRestart = async (): Promise<void> => {
    lastState = state;
    if (backoffMs > 0) {
      const message = `back-off ${waitText(backoffMs)} restarting failed container=${container.name} pod=${options.podLabel}`;
      options.event(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${options.podLabel}`,
      );
      set({ waiting: { reason: 'CrashLoopBackOff', message } });
      const until = Date.now() + backoffMs;
      while (!stopping && Date.now() < until) await wakeUp.wait(until - Date.now());
    }
    backoffMs = backoffMs === 0 ? FIRST_BACKOFF_MS : Math.min(backoffMs * 2, LAST_BACKOFF_MS);
    restartCount += 1;
  };

  const endProcess = async (process: ContainerProcess, graceMs: number): Promise<void> => {
    const hook = container.lifecycle?.preStop;
    const deadline = Date.now() + graceMs;
    if (hook !== undefined && graceMs > 0)
      await Promise.race([runHook(hook, 'PreStop'), delay(graceMs), process.exited]);
    if (graceMs > 0) process.terminate();
    const timer = setTimeout(() => process.kill(), Math.max(0, deadline - Date.now()));
    await process.exited;
    clearTimeout(timer);
  };

  return {
    name: container.name,
    kind: options.kind,
    isStdinOnce: container.stdinOnce === true,
    run,
    started: () => firstStart.promise,
    wake: () => wakeUp.wake(),
    process: () => live,
    stop: (graceMs) => {
      stopping = true;
      isReady = false;
      wakeUp.wake();
      endProbes();
      if (graceMs <= 0) live?.kill();
      // Asked again: the end may only come sooner.
      else if (stopped !== undefined) setTimeout(() => live?.kill(), graceMs).unref();
      stopped ??= live === undefined ? Promise.resolve() : endProcess(live, graceMs);
      return stopped;
    },
    logOf: (previous) => {
      // Between two runs the last one is both: what ran before, and the newest there is.
      const hasEnded = state.waiting !== undefined && lastState.terminated !== undefined;
      const number = previous && !hasEnded ? restartCount - 1 : restartCount;
      if (number < 0) return undefined;
      const file = join(options.dir, `${number}.log`);
      return { file, live: !previous && currentLog?.file === file ? currentLog : undefined };
    },
    status: () => ({
      name: container.name,
      image: container.image ?? '',
      imageID: image === undefined ? '' : `ambit://${image.match}`,
      ...(containerId === undefined ? {} : { containerID: containerId }),
      ready: options.kind === 'init' ? state.terminated?.exitCode === 0 : isReady,
      started: isStarted,
      restartCount,
      state,
      lastState,
    }),
  };
}

/** A duration as Go writes it: `10s`, `2m40s`. */
function waitText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

async function execOnce(
  process: ContainerProcess | undefined,
  command: readonly string[],
  timeoutMs: number,
): Promise<number> {
  if (process === undefined) throw new Error('the container is not running');
  const child = process.exec(command, { tty: false });
  child.stdin.end();
  child.stdout.resume();
  child.stderr.resume();
  const timer = setTimeout(() => {
    if (child.pid !== undefined) killTree(child.pid);
  }, timeoutMs);
  try {
    return await child.exited;
  } finally {
    clearTimeout(timer);
  }
}

const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_MESSAGE_BYTES = 2048;
const MAX_LOG_MESSAGE_LINES = 80;

/** What a container left as its message: its file, or the end of its log where that is asked for after a failure. */
function lastWords(container: Container, exit: ContainerExit, file: string, logFile: string): string {
  try {
    const own = readFileSync(file).subarray(0, MAX_MESSAGE_BYTES).toString('utf8');
    if (own !== '' || exit.exitCode === 0 || container.terminationMessagePolicy !== 'FallbackToLogsOnError') return own;
    return tailOfLog(readFileSync(logFile, 'utf8'), MAX_LOG_MESSAGE_LINES, MAX_LOG_MESSAGE_BYTES);
  } catch {
    return '';
  }
}

// A crash of the cluster process leaves this file behind: the next start ends what it names.
async function record(dir: string, process: ContainerProcess): Promise<void> {
  const startTime = startTimeOf(process.pid);
  await writeFile(join(dir, 'process.json'), JSON.stringify({ pid: process.pid, startTime: startTime ?? '' }));
}

function terminated(
  exit: ContainerExit,
  startedAtMs: number,
  containerID: string | undefined,
): NonNullable<ContainerState['terminated']> {
  const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  return {
    exitCode: exit.exitCode,
    ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    reason: exit.isOutOfMemory === true ? 'OOMKilled' : exit.exitCode === 0 ? 'Completed' : 'Error',
    startedAt: iso(startedAtMs),
    finishedAt: iso(Date.now()),
    ...(containerID === undefined ? {} : { containerID }),
  };
}

function ended(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', () => resolve());
    stream.once('error', () => resolve());
    stream.once('close', () => resolve());
  });
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
