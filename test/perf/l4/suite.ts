// Suite `l4`: bytes through pairs of proxies, interleaved round by round. On loopback: direct TCP, Debian's haproxy as a TLS
// pair, and bare tunnels of each engine. In pods' namespaces (root): real node proxies of each engine with policy, access
// log and metrics on, beside a real ztunnel when AMBIT_PEER_ZTUNNEL names one. Under five minutes.
import { availableParallelism, loadavg } from 'node:os';
import { rmSync } from 'node:fs';
import { type BenchFigure, type BenchReport, median } from '../report.ts';
import { writeCertificates } from './certificates.ts';
import { handshakesPerSecond } from './handshakes.ts';
import type { LoadAnswer, LoadOrder } from './load-process.ts';
import { startPodPairs } from './pod-pairs.ts';
import {
  type BenchPath,
  cpuSecondsOf,
  ENGINES,
  residentKbOf,
  startHaproxy,
  startLoad,
  startScript,
  startTunnels,
} from './processes.ts';

const ROUNDS = Number(process.env['AMBIT_BENCH_ROUNDS'] ?? 3);
const LEG_MS = Number(process.env['AMBIT_BENCH_LEG_MS'] ?? 700);
/** Connections that each path carries before the first round: what a process compiles once is a figure of its own. */
const WARM_MS = Number(process.env['AMBIT_BENCH_WARM_MS'] ?? 2500);
const HOST = '127.0.0.1';
const PARALLEL_CONNECTIONS = 16;
const IDLE_CONNECTIONS = 1000;
const OPEN_LOOP_PER_SECOND = 2000;

/** Values of one path in one round, by quantity. */
type Sample = ReadonlyMap<string, number>;

/** Quantities in the order of the report. */
const UNITS = new Map<string, string>();
for (const streams of [1, 8, 64]) {
  for (const direction of ['up', 'down']) {
    UNITS.set(`throughput, ${streams} ${direction}`, 'MB/s');
    UNITS.set(`cpu per GB, ${streams} ${direction}`, 's/GB');
  }
}
for (const [quantity, unit] of [
  ['64 B, 1 connection: p50', 'us'],
  ['64 B, 1 connection: p99', 'us'],
  ['64 B, 1 connection: cpu', 'us'],
  ['64 B, 32 connections', '1/s'],
  ['64 B, 32 connections: cpu', 'us'],
  ['1 KB, 128 connections', '1/s'],
  ['1 KB, 128 connections: cpu', 'us'],
  ['1 KB, 2,000/s open loop: p50', 'us'],
  ['1 KB, 2,000/s open loop: p99', 'us'],
  ['1 KB, 2,000/s open loop: cpu', 'us'],
  ['new connections', '1/s'],
  ['new connections: cpu', 'us'],
  ['new connections, process just started: cpu', 'us'],
  ['memory per idle connection', 'KB'],
  ['TLS handshakes, both sides', '1/s'],
] as const) {
  UNITS.set(quantity, unit);
}

/** Runs it. */
export async function runL4(): Promise<BenchReport> {
  const started = performance.now();
  await using stack = new AsyncDisposableStack();
  const notRun: string[] = [];
  const paths = [...(await loopbackPaths(stack, notRun)), ...(await startPodPairs(stack, notRun))];
  const samples = new Map<BenchPath, Sample[]>();
  for (const path of paths) samples.set(path, [await warmUp(path)]);
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const path of rotated(paths, round)) {
      process.stderr.write(`round ${round}/${ROUNDS}: ${path.name}\n`);
      samples.get(path)?.push(await measure(path, round));
    }
  }
  const references = referencesOf(paths);
  return {
    suite: 'l4',
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cpus: availableParallelism(),
    reference: `${references.loopback?.name ?? 'none'} on loopback, ${references.pods?.name ?? 'none'} in pods`,
    figures: [...figuresOf(samples, references), ...(await handshakeFigures())],
    notRun,
    notes: [
      '"tunnels" are bare HBONE tunnels; "node proxy" is the real process with policy, access log and metrics on',
      'haproxy makes a TLS handshake per connection, tunnels are warm: "new connections" compares designs, not crypto',
      `each path carries new connections for ${WARM_MS} ms before the first round: "process just started" is their cost`,
      'memory per idle connection and cpu are those of both proxies of a pair together',
      `load average at the end ${loadavg()[0]?.toFixed(1)}: other work on the machine shows in absolute figures, less in ratios`,
    ],
    elapsedSeconds: Math.round((performance.now() - started) / 1000),
  };
}

async function loopbackPaths(stack: AsyncDisposableStack, notRun: string[]): Promise<BenchPath[]> {
  const certificates = await writeCertificates();
  stack.defer(() => rmSync(certificates.folder, { recursive: true, force: true }));
  const application = await startScript('application.ts', []);
  stack.defer(() => void application.child.kill('SIGKILL'));
  const load = startLoad();
  stack.defer(() => load.end());
  const haproxy = await startHaproxy(certificates, application.port);
  if (haproxy === undefined) notRun.push('haproxy');
  const made = [
    { name: 'direct', engine: undefined, port: application.port, processes: [] },
    ...(haproxy === undefined ? [] : [haproxy]),
  ];
  for (const engine of ENGINES) made.push(await startTunnels(certificates, application.port, engine));
  for (const { processes } of made) for (const child of processes) stack.defer(() => void child.kill('SIGKILL'));
  return made.map((path): BenchPath => ({ ...path, group: 'loopback', host: HOST, load }));
}

/** Each round begins with another path. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

/** The first connections of a path, and what they cost. */
async function warmUp(path: BenchPath): Promise<Sample> {
  const { perSecond = Number.NaN, cpu } = await runLeg(
    path,
    orderFor(path, WARM_MS)('connections', PARALLEL_CONNECTIONS),
  );
  if (path.processes.length === 0) return new Map();
  return new Map([['new connections, process just started: cpu', (cpu * 1e6) / (perSecond * (WARM_MS / 1000))]]);
}

type MakeOrder = (kind: LoadOrder['kind'], count: number, bytes?: number) => LoadOrder;

function orderFor({ host, port }: BenchPath, ms: number): MakeOrder {
  return (kind, count, bytes = 0) => ({ kind, count, bytes, ms, host, port });
}

async function runLeg(path: BenchPath, asked: LoadOrder): Promise<LoadAnswer & { cpu: number }> {
  await path.load.run({ ...asked, kind: 'settle' });
  const before = cpuSecondsOf(path.processes);
  const answer = await path.load.run(asked);
  return { ...answer, cpu: cpuSecondsOf(path.processes) - before };
}

async function measure(path: BenchPath, round: number): Promise<Sample> {
  const sample = new Map<string, number>();
  const order = orderFor(path, LEG_MS);
  const leg = async (asked: LoadOrder): Promise<LoadAnswer & { cpu: number }> => runLeg(path, asked);
  const isProxied = path.processes.length > 0;
  for (const streams of [1, 8, 64]) {
    for (const direction of ['up', 'down'] as const) {
      const { bytes = 0, seconds = Number.NaN, cpu } = await leg(order(direction, streams));
      sample.set(`throughput, ${streams} ${direction}`, bytes / 1e6 / seconds);
      if (isProxied) sample.set(`cpu per GB, ${streams} ${direction}`, cpu / (bytes / 1e9));
    }
  }
  await roundTripLegs(leg, order, sample, isProxied);
  await openLoopLeg(leg, order, sample, isProxied);
  const { perSecond = Number.NaN, cpu } = await leg(order('connections', PARALLEL_CONNECTIONS));
  sample.set('new connections', perSecond);
  if (isProxied) sample.set('new connections: cpu', (cpu * 1e6) / (perSecond * (LEG_MS / 1000)));
  if (isProxied && round === 1) sample.set('memory per idle connection', await idleMemory(path, order));
  return sample;
}

async function roundTripLegs(
  leg: (asked: LoadOrder) => Promise<LoadAnswer & { cpu: number }>,
  order: MakeOrder,
  sample: Map<string, number>,
  isProxied: boolean,
): Promise<void> {
  for (const [count, bytes, label] of [
    [1, 64, '64 B, 1 connection'],
    [32, 64, '64 B, 32 connections'],
    [128, 1024, '1 KB, 128 connections'],
  ] as const) {
    const { times = [], seconds = Number.NaN, cpu } = await leg(order('round-trips', count, bytes));
    const [trips = Number.NaN, p50 = Number.NaN, p99 = Number.NaN] = times;
    if (count === 1) {
      sample.set(`${label}: p50`, p50);
      sample.set(`${label}: p99`, p99);
    } else sample.set(label, trips / seconds);
    if (isProxied) sample.set(`${label}: cpu`, (cpu * 1e6) / trips);
  }
}

async function openLoopLeg(
  leg: (asked: LoadOrder) => Promise<LoadAnswer & { cpu: number }>,
  order: MakeOrder,
  sample: Map<string, number>,
  isProxied: boolean,
): Promise<void> {
  const label = '1 KB, 2,000/s open loop';
  const { times = [], cpu } = await leg(order('open-loop', OPEN_LOOP_PER_SECOND, 1024));
  const [trips = Number.NaN, p50 = Number.NaN, p99 = Number.NaN] = times;
  sample.set(`${label}: p50`, p50);
  sample.set(`${label}: p99`, p99);
  if (isProxied) sample.set(`${label}: cpu`, (cpu * 1e6) / trips);
}

async function idleMemory(path: BenchPath, order: MakeOrder): Promise<number> {
  const before = residentKbOf(path.processes);
  await path.load.run(order('idle', IDLE_CONNECTIONS));
  const after = residentKbOf(path.processes);
  await path.load.run(order('idle-end', 0));
  return (after - before) / IDLE_CONNECTIONS;
}

interface References {
  readonly loopback: BenchPath | undefined;
  readonly pods: BenchPath | undefined;
}

/** haproxy and ztunnel where they are there; else the first engine. */
function referencesOf(paths: readonly BenchPath[]): References {
  const named = (name: string): BenchPath | undefined => paths.find((path) => path.name === name);
  return {
    loopback: named('haproxy') ?? named('tunnels, http2'),
    pods: named('ztunnel') ?? named('node proxy, http2'),
  };
}

function figuresOf(samples: ReadonlyMap<BenchPath, readonly Sample[]>, references: References): BenchFigure[] {
  const figures: BenchFigure[] = [];
  for (const [quantity, unit] of UNITS) {
    for (const [path, taken] of samples) {
      const values = taken.flatMap((sample) => sample.get(quantity) ?? []);
      if (values.length === 0) continue;
      const reference = references[path.group];
      const others = reference === undefined ? [] : (samples.get(reference) ?? []);
      const ratios = taken.flatMap((sample, round) => {
        const [own, other] = [sample.get(quantity), others[round]?.get(quantity)];
        return own === undefined || other === undefined ? [] : [own / other];
      });
      const ratio = ratios.length === 0 ? undefined : median(ratios);
      const engine = path.engine === undefined ? {} : { engine: path.engine };
      figures.push({ quantity, unit, path: path.name, median: median(values), rounds: values, ratio, ...engine });
    }
  }
  return figures;
}

async function handshakeFigures(): Promise<BenchFigure[]> {
  const figures: BenchFigure[] = [];
  let first: number | undefined;
  for (const engine of ['node', 'libssl'] as const) {
    const rounds = await handshakesPerSecond(engine, LEG_MS);
    const value = median(rounds);
    first ??= value;
    const quantity = 'TLS handshakes, both sides';
    figures.push({
      quantity,
      unit: '1/s',
      path: `TLS, ${engine}`,
      median: value,
      rounds,
      ratio: value / first,
      engine,
    });
  }
  return figures;
}
