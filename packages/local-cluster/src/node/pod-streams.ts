// Log, exec, attach and port-forward of pods, as the API server asks for them. Implements `PodStreams`.
// Comes in: requests with the pod. Goes out: text, joined streams, exit codes. Main thread.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { ExecRequest, ExecResult, LogRequest, PodStreams, TerminalSize } from '../api/pod-streams.ts';
import { readContainerLog } from './container-log.ts';
import type { NodeRuntime } from './node-runtime.ts';
import { killTree, resizeTerminal } from './process-tree.ts';
import type { PodWorker } from './pod-worker.ts';

const DIAL_MS = 5000;
const RESIZE_MS = 50;

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
    if (request.previous) throw new Error(`previous terminated container "${request.container}" not found`);
    throw new Error(`container "${request.container}" is waiting to start`);
  }
  yield* readContainerLog(log.file, request, request.follow ? log.live : undefined, request.signal);
}

async function runExec(worker: PodWorker, request: ExecRequest): Promise<ExecResult> {
  const process = worker.runner(request.container)?.process();
  if (process === undefined) throw new Error(`container "${request.container}" is not running`);
  const child = process.exec(request.command, { tty: request.tty });
  const onAbort = (): void => {
    if (child.pid === undefined) child.kill('SIGKILL');
    else killTree(child.pid);
  };
  if (request.tty) applySizes(child, request);
  request.signal.addEventListener('abort', onAbort, { once: true });
  child.stdin?.on('error', () => undefined);
  if (request.stdin === undefined) child.stdin?.end();
  else if (child.stdin !== null) request.stdin.pipe(child.stdin);
  const ends: Promise<unknown>[] = [];
  for (const [from, to] of [
    [child.stdout, request.stdout],
    [child.stderr, request.stderr],
  ] as const) {
    if (from === null) continue;
    ends.push(once(from, 'close'));
    if (to === undefined) from.resume();
    else from.pipe(to, { end: false });
  }
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    await Promise.all(ends);
    return { exitCode: code ?? 137 };
  } finally {
    request.signal.removeEventListener('abort', onAbort);
  }
}

/** The first size often comes before the command has its terminal: it is tried again until then. */
function applySizes(child: ChildProcess, request: ExecRequest): void {
  const { pid } = child;
  if (pid === undefined) return;
  let last: TerminalSize | undefined;
  const timer = setInterval(() => {
    if (last !== undefined && resizeTerminal(pid, last)) clearInterval(timer);
  }, RESIZE_MS).unref();
  child.once('exit', () => clearInterval(timer));
  request.onResize((size) => {
    last = size;
    resizeTerminal(pid, size);
  });
}

// Output from now on; input is not taken, because containers run without one.
async function attach(worker: PodWorker, request: ExecRequest): Promise<ExecResult> {
  const process = worker.runner(request.container)?.process();
  if (process === undefined) throw new Error(`container "${request.container}" is not running`);
  const toOut = (chunk: Buffer): void => void request.stdout?.write(chunk);
  const toErr = (chunk: Buffer): void => void request.stderr?.write(chunk);
  process.stdout.on('data', toOut);
  process.stderr.on('data', toErr);
  try {
    const left = once(request.signal, 'abort').then(() => ({ exitCode: 0 }));
    return await Promise.race([process.exited, left]);
  } finally {
    process.stdout.off('data', toOut);
    process.stderr.off('data', toErr);
  }
}

function dialPod(worker: PodWorker, port: number): Promise<Duplex> {
  const sandbox = worker.sandbox();
  if (sandbox === undefined) return Promise.reject(new Error('the pod has no network yet'));
  return sandbox.dialInside(port, DIAL_MS);
}
