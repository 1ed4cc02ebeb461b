// What h2load measures in `bench l7`: HTTP/2, gRPC unary, and latency at a fixed rate (open loop, HTTP/1.1). In: paths. Out: figures.
// Latencies come from h2load's log of every request: start in us since the epoch, status, duration in us. Used by suite.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuSecondsOf } from '../l4/processes.ts';
import type { BenchFigure } from '../report.ts';
import { CONNECTIONS, LEG_SECONDS, type Path } from './wrk.ts';

/** Streams of one connection at a time. */
const STREAMS = 8;
const GRPC_CONNECTIONS = 4;

interface Run {
  readonly requests: number;
  readonly cpuMicroseconds: number;
  /** Ascending, in ms. */
  readonly latencies: readonly number[];
}

async function run(path: Path, args: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-h2load-'));
  const log = join(folder, 'requests');
  const before = cpuSecondsOf([path.process]);
  const child = spawn('h2load', ['-D', `${LEG_SECONDS}`, '-t1', `--log-file=${log}`, ...args], { stdio: 'ignore' });
  await once(child, 'close');
  const cpu = cpuSecondsOf([path.process]) - before;
  const rows = readFileSync(log, 'latin1')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t').map(Number));
  rmSync(folder, { recursive: true });
  const good = rows.filter(([, status]) => status === 200);
  if (good.length === 0 || good.length < rows.length * 0.99) {
    throw new Error(`${path.name}: ${rows.length - good.length} of ${rows.length} requests were not answered 200`);
  }
  const latencies = good.map(([, , microseconds]) => (microseconds ?? 0) / 1000).sort((a, b) => a - b);
  return { requests: good.length, cpuMicroseconds: (cpu * 1e6) / good.length, latencies };
}

const figure = (quantity: string, unit: string, path: string, value: number): BenchFigure => ({
  quantity,
  unit,
  path,
  median: value,
  rounds: [value],
  ratio: undefined,
});

const p99 = ({ latencies }: Run): number => latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;

const ofSaturation = (name: string, found: Run): BenchFigure[] => [
  figure('CPU per request', 'us', name, found.cpuMicroseconds),
  figure('requests', '1/s', name, found.requests / LEG_SECONDS),
  figure('p99 at saturation', 'ms', name, p99(found)),
];

/** HTTP/2 with prior knowledge, closed loop. */
export async function http2Figures(paths: readonly Path[]): Promise<BenchFigure[]> {
  const figures: BenchFigure[] = [];
  for (const path of paths) {
    const args = [`-c${GRPC_CONNECTIONS}`, `-m${STREAMS}`, `http://127.0.0.1:${path.port}/service-x`];
    await run(path, args);
    figures.push(...ofSaturation(path.name, await run(path, args)));
  }
  return figures;
}

/** Unary calls: a POST with one message of 1 KB, an answer with trailers. */
export async function grpcFigures(paths: readonly Path[]): Promise<BenchFigure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-grpc-'));
  const message = join(folder, 'message');
  const frame = Buffer.alloc(5 + 1024);
  frame.writeUInt32BE(1024, 1);
  writeFileSync(message, frame);
  const headers = ['content-type: application/grpc', 'te: trailers'].flatMap((header) => ['-H', header]);
  const figures: BenchFigure[] = [];
  for (const path of paths) {
    const url = `http://127.0.0.1:${path.port}/bench.Echo/Say`;
    const args = [`-c${GRPC_CONNECTIONS}`, `-m${STREAMS}`, '-d', message, ...headers, url];
    await run(path, args);
    figures.push(...ofSaturation(path.name, await run(path, args)));
  }
  rmSync(folder, { recursive: true });
  return figures;
}

/** Latency of each path at one rate for all; the added p99 of a path is its figure less that of `direct`. */
export async function halfLoadFigures(paths: readonly Path[], requestsPerSecond: number): Promise<BenchFigure[]> {
  const perConnection = Math.max(1, Math.round(requestsPerSecond / CONNECTIONS));
  const figures: BenchFigure[] = [];
  for (const path of paths) {
    const url = `http://127.0.0.1:${path.port}/service-x`;
    const found = await run(path, ['--h1', `-c${CONNECTIONS}`, `--rps=${perConnection}`, url]);
    figures.push(figure('p99 at half load', 'ms', path.name, p99(found)));
  }
  return figures;
}
