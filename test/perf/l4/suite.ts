// Suite `l4`: direct TCP, the haproxy TLS pair and the Ambit pair, interleaved round by round on loopback. Under a minute.
import { availableParallelism, loadavg } from 'node:os';
import { rmSync } from 'node:fs';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { type BenchFigure, type BenchReport, median } from '../report.ts';
import { writeCertificates } from './certificates.ts';
import { bulk, connections, roundTrips } from './load.ts';
import { type BenchPath, cpuSecondsOf, startAmbit, startHaproxy, startScript } from './processes.ts';

const ROUNDS = 3;
const BULK_MS = 1500;
const LATENCY_MS = 1000;
const CONNECTIONS_MS = 1000;
const PARALLEL_CONNECTIONS = 16;

/** Values of one path in one round, by quantity. */
type Sample = ReadonlyMap<string, number>;

const UNITS: Readonly<Record<string, string>> = {
  'throughput, 1 stream': 'MB/s',
  'throughput, 8 streams': 'MB/s',
  'cpu per GB, 1 stream': 's/GB',
  'cpu per GB, 8 streams': 's/GB',
  '64 B round trip p50': 'us',
  '64 B round trip p99': 'us',
  'cpu per round trip': 'us',
  'new connections': '1/s',
};

/** Runs it. */
export async function runL4(): Promise<BenchReport> {
  const started = performance.now();
  const certificates = await writeCertificates();
  const children: ChildProcess[] = [];
  try {
    const application = await startScript('application.ts', []);
    children.push(application.child);
    const notRun: string[] = [];
    const paths: BenchPath[] = [{ name: 'direct', port: application.port, processes: [] }];
    const haproxy = await startHaproxy(certificates, application.port);
    if (haproxy === undefined) notRun.push('haproxy');
    else paths.push(haproxy);
    paths.push(await startAmbit(certificates, application.port));
    children.push(...paths.flatMap(({ processes }) => processes));
    const reference = haproxy === undefined ? 'direct' : 'haproxy';
    return {
      suite: 'l4',
      date: new Date().toISOString().slice(0, 10),
      node: process.versions.node,
      cpus: availableParallelism(),
      reference,
      figures: figuresOf(await rounds(paths), reference),
      notRun,
      notes: [
        'haproxy makes a TLS handshake per connection, ambit puts connections into a warm tunnel: "new connections" compares designs, not crypto',
        `load average at the end ${loadavg()[0]?.toFixed(1)}: other work on the machine shows in absolute figures, less in ratios`,
      ],
      elapsedSeconds: Math.round((performance.now() - started) / 1000),
    };
  } finally {
    await Promise.all(children.map(end));
    rmSync(certificates.folder, { recursive: true, force: true });
  }
}

async function rounds(paths: readonly BenchPath[]): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(paths.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const path of paths) {
      process.stderr.write(`round ${round}/${ROUNDS}: ${path.name}\n`);
      samples.get(path.name)?.push(await measure(path));
    }
  }
  return samples;
}

async function measure(path: BenchPath): Promise<Sample> {
  const sample = new Map<string, number>();
  for (const [streams, label] of [
    [1, '1 stream'],
    [8, '8 streams'],
  ] as const) {
    const before = cpuSecondsOf(path.processes);
    const { bytes, seconds } = await bulk(path.port, streams, BULK_MS);
    sample.set(`throughput, ${label}`, bytes / 1e6 / seconds);
    if (path.processes.length > 0)
      sample.set(`cpu per GB, ${label}`, (cpuSecondsOf(path.processes) - before) / (bytes / 1e9));
  }
  const before = cpuSecondsOf(path.processes);
  const times = (await roundTrips(path.port, LATENCY_MS)).sort((a, b) => a - b);
  if (path.processes.length > 0)
    sample.set('cpu per round trip', ((cpuSecondsOf(path.processes) - before) * 1e6) / times.length);
  sample.set('64 B round trip p50', times[Math.floor(times.length * 0.5)] ?? Number.NaN);
  sample.set('64 B round trip p99', times[Math.floor(times.length * 0.99)] ?? Number.NaN);
  sample.set('new connections', await connections(path.port, PARALLEL_CONNECTIONS, CONNECTIONS_MS));
  return sample;
}

function figuresOf(samples: ReadonlyMap<string, readonly Sample[]>, reference: string): BenchFigure[] {
  const figures: BenchFigure[] = [];
  const references = samples.get(reference) ?? [];
  for (const [quantity, unit] of Object.entries(UNITS)) {
    for (const [path, taken] of samples) {
      const values = taken.flatMap((sample) => sample.get(quantity) ?? []);
      if (values.length === 0) continue;
      const ratios = taken.flatMap((sample, round) => {
        const [own, other] = [sample.get(quantity), references[round]?.get(quantity)];
        return own === undefined || other === undefined ? [] : [own / other];
      });
      const ratio = ratios.length === 0 ? undefined : median(ratios);
      figures.push({ quantity, unit, path, median: median(values), rounds: values, ratio });
    }
  }
  return figures;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
