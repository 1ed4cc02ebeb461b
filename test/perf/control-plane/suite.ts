// Suite `control-plane`: 100,000 workloads (goals P12 to P15 of spec performance-and-reliability 6.1). In: the environment variables
// BENCH_WORKLOADS, BENCH_AGENTS, BENCH_CHANGES (per second), BENCH_SECONDS and BENCH_RECONNECTS shrink it. Out: figures. Called by main.ts.
// The translation is measured in this process, everything else with the control plane as a process over an API of our own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { Model, modelOptions } from '@ambit/model';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { testPod } from '@ambit/resources/testing';
import { encodeResponse } from '@ambit/xds/server';
import { benchReport, type BenchFigure, type BenchReport, median, percentile } from '../report.ts';
import type { AgentsData, AgentsMessage } from './agents.ts';
import { type BenchApi, startBenchApi, workloadName } from './kube-api.ts';
import { measureReconnect } from './reconnect.ts';

const setting = (name: string, fallback: number): number => Number(process.env[name] ?? fallback);
const WORKLOADS = setting('BENCH_WORKLOADS', 100_000);
const AGENTS = setting('BENCH_AGENTS', 100);
const CHANGES_PER_SECOND = setting('BENCH_CHANGES', 100);
const SECONDS = setting('BENCH_SECONDS', 20);
const RECONNECTS = setting('BENCH_RECONNECTS', 10_000);
const MAIN = new URL('../../../packages/control-plane/src/main.ts', import.meta.url).pathname;

const figure = (quantity: string, unit: string, path: string, value: number | readonly number[]): BenchFigure => {
  const rounds = typeof value === 'number' ? [value] : value;
  return { quantity, unit, path, median: median(rounds), rounds, ratio: undefined };
};

/** Runs the suite. */
export async function runControlPlane(): Promise<BenchReport> {
  const startedMs = performance.now();
  const figures = [...measureTranslation(), ...(await measureProcess()), ...(await measureRestart())];
  return benchReport(startedMs, {
    suite: 'control-plane',
    reference: 'none',
    figures,
    notRun: [],
    notes: [
      `${WORKLOADS} workloads, ${AGENTS} agents on loopback, ${CHANGES_PER_SECOND} pod changes per second for ${SECONDS} s`,
      'latency: from writing the watch event to the last agent having decoded it; agents run in one thread beside it',
      'heap: beyond the pods as stored; CPU: of the control plane alone, in cores',
    ],
  });
}

/** All clients come back at once after a restart. */
async function measureRestart(): Promise<BenchFigure[]> {
  const { lastAnswerMs, eventLoopDelayP99Ms, resources, answered } = await measureReconnect(RECONNECTS);
  return [
    figure('reconnect-last-answer', 'ms', `restart, ${RECONNECTS} clients`, lastAnswerMs),
    figure('reconnect-event-loop-delay-p99', 'ms', `restart, ${RECONNECTS} clients`, eventLoopDelayP99Ms),
    figure('reconnect-answered', 'clients', `restart, ${RECONNECTS} clients`, answered),
    figure('reconnect-resources', 'resources', `restart, ${RECONNECTS} clients, 1 of 1000 changed`, resources),
  ];
}

/** Translation and encoding of everything, and what it holds. */
function measureTranslation(): BenchFigure[] {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const pods = Array.from({ length: WORKLOADS }, (_, i) =>
    testPod(`ns-${i % 100}`, `pod-${i}`, `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, {
      labels: { app: `app-${i % 2_000}` },
    }),
  );
  collect();
  const before = process.memoryUsage();
  const model = new Model(modelOptions());
  let startedMs = performance.now();
  for (let from = 0; from < pods.length; from += 500) {
    model.apply(pods.slice(from, from + 500).map((object) => ({ type: 'upsert', object })));
  }
  const translateMs = performance.now() - startedMs;
  collect();
  const after = process.memoryUsage();
  const held = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  const encode = (): number => {
    startedMs = performance.now();
    const pending = {
      typeUrl: ADDRESS_TYPE_URL,
      resources: [...model.addresses.all()],
      removed: [],
      withAliases: false,
    };
    encodeResponse(pending, 'nonce', 'version');
    return performance.now() - startedMs;
  };
  const first = encode();
  return [
    figure('translate and encode all', 'ms', 'model', translateMs),
    figure('first full response', 'ms', 'xds', first),
    figure('further full responses', 'ms', 'xds', [encode(), encode(), encode()]),
    figure('held per workload', 'bytes', 'model', held / WORKLOADS),
  ];
}

async function measureProcess(): Promise<BenchFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true }));
  const kubeconfig = join(folder, 'kubeconfig');
  const api = stack.use(await startBenchApi(WORKLOADS, kubeconfig));
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    ['--conditions=@ambit/source', MAIN, 'discovery', '--log_output_level=default:warn'],
    {
      env: {
        ...process.env,
        KUBECONFIG: kubeconfig,
        AMBIT_LISTEN_HOST: '127.0.0.1',
        PILOT_MAX_REQUESTS_PER_SECOND: '1000000',
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  stack.defer(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await untilReady(child);
  const readyMs = performance.now() - startedMs;
  const rss = residentBytes(child);
  const { latencies, cores, lagMs } = await measureChanges(api, child);
  await metric('nodejs_eventloop_lag_p99_seconds');
  api.expire();
  await api.watched();
  await delay(1_000);
  const resyncLagMs = (await metric('nodejs_eventloop_lag_p99_seconds')) * 1000;
  const resyncMaxMs = lagMs.max;
  return [
    figure('start to ready', 'ms', 'process', readyMs),
    figure('resident memory', 'MB', 'process', rss / 1e6),
    figure('event to last agent p50', 'ms', 'process', percentile(latencies, 0.5)),
    figure('event to last agent p99', 'ms', 'process', percentile(latencies, 0.99)),
    figure('changes that arrived', 'of 1', 'process', latencies.length / (CHANGES_PER_SECOND * SECONDS)),
    figure('CPU at that load', 'cores', 'process', cores),
    figure('loop delay p99 at load', 'ms', 'process', lagMs.p99),
    figure('loop delay max at load', 'ms', 'process', resyncMaxMs),
    figure('loop delay p99 in resync', 'ms', 'process', resyncLagMs),
  ];
}

async function measureChanges(
  api: BenchApi,
  child: ChildProcess,
): Promise<{ latencies: number[]; cores: number; lagMs: { p99: number; max: number } }> {
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  const workerData: AgentsData = { address: '127.0.0.1:15010', agents: AGENTS };
  const worker = new Worker(new URL('agents.ts', import.meta.url), { workerData });
  const ready = Promise.withResolvers<void>();
  worker.on('error', ready.reject);
  worker.on('message', (message: AgentsMessage) => {
    if (message.kind === 'ready') ready.resolve();
    else {
      const at = sentAt.get(message.name);
      if (at !== undefined) latencies.push(message.atMs - at);
    }
  });
  try {
    await ready.promise;
    await metric('nodejs_eventloop_lag_p99_seconds');
    const cpuBefore = cpuSeconds(child);
    const startedMs = performance.now();
    const total = CHANGES_PER_SECOND * SECONDS;
    for (let change = 0; change < total; change++) {
      const dueMs = startedMs + (change * 1000) / CHANGES_PER_SECOND;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const index = (change * 37) % WORKLOADS;
      sentAt.set(workloadName(index), performance.timeOrigin + performance.now());
      api.changePod(index);
    }
    const deadlineMs = performance.now() + 10_000;
    while (latencies.length < total && performance.now() < deadlineMs) await delay(20);
    const cores = (cpuSeconds(child) - cpuBefore) / ((performance.now() - startedMs) / 1000);
    const p99 = (await metric('nodejs_eventloop_lag_p99_seconds')) * 1000;
    const max = (await metric('nodejs_eventloop_lag_max_seconds')) * 1000;
    return { latencies, cores, lagMs: { p99, max } };
  } finally {
    await worker.terminate();
  }
}

async function untilReady(child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the control plane ended with ${child.exitCode}`);
    const isReady = await fetch('http://127.0.0.1:8080/ready').then(
      (answer) => answer.ok,
      () => false,
    );
    if (isReady) return;
    await delay(20);
  }
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch('http://127.0.0.1:15014/metrics')).text();
  const line = text.split('\n').find((l) => l.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? Number.NaN);
}

/** User and system time, from the kernel (100 ticks per second). */
function cpuSeconds({ pid = 0 }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentBytes({ pid = 0 }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
}
