// Log, exec, attach and port-forward of pods, as the API server asks for them. Implements `PodStreams`.
// Comes in: requests with the pod. Goes out: text, joined streams, exit codes. Main thread.
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecRequest, ExecResult, LogRequest, PodStreams, TerminalSize } from '../api/pod-streams.ts';
import { badRequest } from '../api/status.ts';
import { readContainerLog } from './container-log.ts';
import type { NodeRuntime } from './node-runtime.ts';
import { killTree, resizeTerminal } from './process-tree.ts';
import type { PodWorker } from './pod-worker.ts';

const DIAL_MS = 5000;
const RESIZE_MS = 50;
const LAST_MS = 200;

/** Builds the streams over the nodes of the cluster. */
export function createPodStreams(nodes: readonly NodeRuntime[]): PodStreams {
  const workerOf = (pod: { metadata: { name?: string; namespace?: string } }): PodWorker => {
    const at = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' };
    for (const node of nodes) {
      const worker = node.worker(at);
      if (worker !== undefined) return worker;
    }
    throw new Error(`pod ${at.namespace}/${at.name} runs on no node of this cluster`);
  };

  return {
    log: (request) => readLog(workerOf(request.pod), request),
    exec: (request) => runExec(workerOf(request.pod), request),
    attach: (request) => attach(workerOf(request.pod), request),
    portForward: ({ pod, port }) => dialPod(workerOf(pod), port),
  };
}

async function* readLog(worker: PodWorker, request: LogRequest): AsyncGenerator<string> {
  const log = worker.runner(request.container)?.logOf(request.previous);
  if (log === undefined) {
    const where = `container "${request.container}" in pod "${request.pod.metadata.name ?? ''}"`;
    if (request.previous) throw badRequest(`previous terminated ${where} not found`);
    throw badRequest(`${where} is waiting to start: ContainerCreating`);
  }
  yield* readContainerLog(log.file, request, request.follow ? log.live : undefined, request.signal);
}

async function runExec(worker: PodWorker, request: ExecRequest): Promise<ExecResult> {
  const process = worker.runner(request.container)?.process();
  if (process === undefined) throw new Error(`container "${request.container}" is not running`);
  const child = process.exec(request.command, { tty: request.tty });
  const onAbort = (): void => {
    if (child.pid !== undefined) killTree(child.pid);
  };
  const sizes = request.tty ? applySizes(child.pid, request) : undefined;
  if (request.signal.aborted) onAbort();
  request.signal.addEventListener('abort', onAbort, { once: true });
  if (request.stdin === undefined) child.stdin.end();
  else request.stdin.pipe(child.stdin);
  const ends: Promise<unknown>[] = [];
  for (const [from, to] of [
    [child.stdout, request.stdout],
    [child.stderr, request.stderr],
  ] as const) {
    ends.push(once(from, 'close'));
    if (to === undefined) from.resume();
    else from.pipe(to, { end: false });
  }
  try {
    const exitCode = await child.exited;
    await Promise.all(ends);
    return { exitCode };
  } finally {
    sizes?.close();
    child.stdin.destroy();
    request.signal.removeEventListener('abort', onAbort);
  }
}

/** The first size often comes before the command has its terminal: it is tried again until then. */
function applySizes(pid: number | undefined, request: ExecRequest): { close(): void } | undefined {
  if (pid === undefined) return undefined;
  let last: TerminalSize | undefined;
  const timer = setInterval(() => {
    if (last !== undefined && resizeTerminal(pid, last)) clearInterval(timer);
  }, RESIZE_MS).unref();
  request.onResize((size) => {
    last = size;
    resizeTerminal(pid, size);
  });
  return { close: () => clearInterval(timer) };
}

// Output from now on; input goes to the container if it keeps one. How the container ended is told by its status alone.
async function attach(worker: PodWorker, request: ExecRequest): Promise<ExecResult> {
  const runner = worker.runner(request.container);
  const process = runner?.process();
  if (runner === undefined || process === undefined) throw new Error(`container "${request.container}" is not running`);
  const { stdin, stdout, stderr } = process;
  const toOut = (chunk: Buffer): void => void request.stdout?.write(chunk);
  const toErr = (chunk: Buffer): void => void request.stderr?.write(chunk);
  stdout.on('data', toOut);
  stderr.on('data', toErr);
  const sizes = request.tty ? applySizes(process.pid, request) : undefined;
  if (stdin !== undefined) request.stdin?.pipe(stdin, { end: runner.isStdinOnce });
  try {
    const left = once(request.signal, 'abort');
    const ended = process.exited.then(() => Promise.race([Promise.all([over(stdout), over(stderr)]), delay(LAST_MS)]));
    await Promise.race([ended, left]);
    return { exitCode: 0 };
  } finally {
    sizes?.close();
    stdout.off('data', toOut);
    stderr.off('data', toErr);
    if (stdin !== undefined) request.stdin?.unpipe(stdin);
    if (runner.isStdinOnce && request.stdin !== undefined) stdin?.end();
  }
}

const over = async (stream: Readable): Promise<void> => {
  if (!stream.readableEnded && !stream.destroyed) await once(stream, 'close');
};

function dialPod(worker: PodWorker, port: number): Promise<Duplex> {
  const sandbox = worker.sandbox();
  if (sandbox === undefined) return Promise.reject(new Error('the pod has no network yet'));
  return sandbox.dialInside(port, DIAL_MS);
}
