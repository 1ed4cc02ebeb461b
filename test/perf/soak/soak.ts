// Suite `soak`: every engine, core http2 as the control, thirty minutes and a million tunnels each (AMBIT_SOAK_SECONDS and
// AMBIT_BENCH_ENGINES choose otherwise), certificates rotating every minute. In: nothing. Out: figures; the short form with pass and fail is
// test/loopback/soak.test.ts. Called by main.ts.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ENGINES } from '../l4/processes.ts';
import type { BenchFigure, BenchReport } from '../report.ts';
import type { SoakResult } from './soak-process.ts';

const SECONDS = Number(process.env['AMBIT_SOAK_SECONDS'] ?? 1800);
/** `AMBIT_BENCH_ENGINES=framed` measures that only. */
const WANTED = process.env['AMBIT_BENCH_ENGINES']?.split(',') ?? [...ENGINES];
const TUNNELS = 1_000_000;
const ROTATE_SECONDS = 60;
/** How the image of the node proxy runs it (packages/images). */
const AS_IN_IMAGE = { flags: ['--max-semi-space-size=4'], environment: { MALLOC_ARENA_MAX: '2' } };
/** V8 gives each function its tables at its first call, not some day: paths that are taken once an hour would grow for days. */
const WARMED_UP = '--no-lazy-feedback-allocation';

/** How long a run is. */
export interface SoakLimits {
  readonly seconds: number;
  readonly tunnels: number;
  readonly rotateSeconds: number;
  /** From then on V8 compiles nothing: what still grows is not code. 0 = it may to the end. */
  readonly compileSeconds: number;
}

/** Runs one engine in a process of its own. `progress` gets a line per look at memory. */
export async function soak(engine: string, limits: SoakLimits, progress?: NodeJS.WritableStream): Promise<SoakResult> {
  const script = join(import.meta.dirname, 'soak-process.ts');
  const { seconds, tunnels, rotateSeconds, compileSeconds } = limits;
  const values = [engine, `${seconds}`, `${tunnels}`, `${rotateSeconds}`, `${compileSeconds}`];
  const argv = ['--expose-gc', '--conditions=@ambit/source', ...AS_IN_IMAGE.flags, WARMED_UP, script, ...values];
  const env = { ...process.env, ...AS_IN_IMAGE.environment };
  const running = promisify(execFile)(process.execPath, argv, { env });
  if (progress !== undefined) running.child.stderr?.pipe(progress, { end: false });
  const { stdout } = await running;
  return JSON.parse(stdout) as SoakResult;
}

/** Runs the suite. */
export async function runSoak(): Promise<BenchReport> {
  const startedMs = performance.now();
  const figures: BenchFigure[] = [];
  const notes: string[] = [];
  for (const engine of ENGINES.filter((name) => WANTED.includes(name))) {
    process.stderr.write(`soak ${engine}: ${SECONDS} s and ${TUNNELS} tunnels\n`);
    const limits = {
      seconds: SECONDS,
      tunnels: TUNNELS,
      rotateSeconds: ROTATE_SECONDS,
      compileSeconds: SECONDS / 3,
    };
    const result = await soak(engine, limits, process.stderr);
    const row = (quantity: string, unit: string, value: number): void => {
      figures.push({ quantity, unit, path: engine, median: value, rounds: [value], ratio: undefined, engine });
    };
    row('tunnels', '', result.tunnels);
    row('TLS connections', '', result.handshakes);
    row('rotations', '', result.rotations);
    row('carried and hashed', 'GB', result.bytes / 1e9);
    row('wrong or failed tunnels', '', result.wrong);
    row('anonymous memory at the end', 'KB', result.anonymousKb[1] ?? Number.NaN);
    const phases = { 'code fixed': result.slopes, compiling: result.slopesWhileCompiling ?? {} };
    for (const [phase, slopes] of Object.entries(phases)) {
      for (const [measure, slope] of Object.entries(slopes)) {
        row(`slope of ${measure}, ${phase}`, 'KB/min', slope.kbPerMinute);
        row(`standard error of that`, 'KB/min', slope.standardError);
      }
    }
    row('descriptors left', '', result.descriptors[1] - result.descriptors[0]);
    row('blocks left', '', result.lentBlocks);
    notes.push(`${engine}: ${result.seconds} s${result.firstProblem === undefined ? '' : `; ${result.firstProblem}`}`);
    notes.push(...result.warnings);
  }
  return {
    suite: 'soak',
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cpus: availableParallelism(),
    reference: 'none',
    figures,
    notRun: [],
    notes,
    elapsedSeconds: Math.round((performance.now() - startedMs) / 1000),
  };
}
