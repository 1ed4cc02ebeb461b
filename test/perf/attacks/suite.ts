// Suite `attacks`: what one hostile peer at full speed costs, for every engine (goals R4 and R5 of performance-and-reliability 6.2). A pair of
// bare tunnels, a neighbour with 200 pings a second, and an attacker with a valid certificate in a process of its own that comes again
// whenever it is cut off, for a span of seconds: 600 pings, so that a p99 is one. In: nothing. Out: per attack the CPU of the server, also as a
// multiple of the attacker's, memory, and the neighbour's p99 beside the one under an honest peer at full speed and under a process that is
// as busy and talks to nobody. About four minutes. Called by main.ts.
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { attacks } from '@ambit/hbone/testing';
import { type BenchCertificates, writeCertificates } from '../l4/certificates.ts';
import {
  cpuSecondsOf,
  ENGINES,
  residentKbOf,
  startAnswering,
  startLoad,
  startScript,
  startTunnels,
} from '../l4/processes.ts';
import { type BenchFigure, type BenchReport, benchReport, percentile } from '../report.ts';
import type { AttackAnswer, AttackOrder } from './attacker-process.ts';
import { type Neighbour, startNeighbour } from './neighbour.ts';

/** `AMBIT_BENCH_ENGINES=framed,libssl` measures those only. */
const WANTED = process.env['AMBIT_BENCH_ENGINES']?.split(',') ?? [...ENGINES];
const WINDOW_MS = 3000;

/** Runs it. */
export async function runAttacks(): Promise<BenchReport> {
  const started = performance.now();
  await using stack = new AsyncDisposableStack();
  const certificates = await writeCertificates();
  stack.defer(() => rmSync(certificates.folder, { recursive: true, force: true }));
  const application = await startScript('application.ts', []);
  stack.defer(() => void application.child.kill('SIGKILL'));
  const figures: BenchFigure[] = [];
  const notes: string[] = [];
  for (const engine of ENGINES.filter((name) => WANTED.includes(name))) {
    process.stderr.write(`attacks: ${engine}\n`);
    const found = await againstEngine(engine, certificates, application.port);
    figures.push(...found.figures);
    notes.push(...found.notes);
  }
  return benchReport(started, { suite: 'attacks', reference: 'the attacker itself', figures, notRun: [], notes });
}

async function againstEngine(
  engine: string,
  certificates: BenchCertificates,
  applicationPort: number,
): Promise<{ readonly figures: BenchFigure[]; readonly notes: string[] }> {
  await using stack = new AsyncDisposableStack();
  const tunnels = await startTunnels(certificates, applicationPort, engine);
  for (const child of tunnels.processes) stack.defer(() => void child.kill('SIGKILL'));
  const [, server] = tunnels.processes;
  if (server === undefined) throw new Error('the pair has no server');
  const neighbour = await startNeighbour(tunnels.port);
  stack.defer(() => neighbour.close());
  const figures: BenchFigure[] = [];
  const notes: string[] = [];
  const row = (quantity: string, unit: string, value: number): void => {
    figures.push({ quantity, unit, path: engine, median: value, rounds: [value], ratio: undefined, engine });
  };
  await neighbour.measure(WINDOW_MS);
  const before = cpuSecondsOf([server]);
  row('neighbour p99, nobody else', 'ms', percentile(await neighbour.measure(WINDOW_MS), 0.99));
  const idleCpuSeconds = cpuSecondsOf([server]) - before;
  const bench = { server, serverPort: tunnels.serverPort, certificates, neighbour, idleCpuSeconds };
  row('neighbour p99, a busy process beside', 'ms', (await besideAttacker(bench, 0, 'burn')).neighbourP99Ms);
  row('neighbour p99, an honest peer at full speed', 'ms', await besideHonestPeer(neighbour, tunnels.port));
  for (const [index, attack] of attacks.entries()) {
    const found = await besideAttacker(bench, index, 'again');
    const { answer, first } = found;
    row(`${attack.name}: neighbour p99`, 'ms', found.neighbourP99Ms);
    row(`${attack.name}: CPU of the server`, '% of a core', (100 * found.serverCpuSeconds) / (answer.elapsedMs / 1000));
    row(`${attack.name}: CPU, server to attacker`, 'x', found.serverCpuSeconds / answer.cpuSeconds);
    row(`${attack.name}: memory of the server`, 'KB more', found.grownKb);
    const outcome = first.hasEnded
      ? `cut off after ${first.sent} bytes, ${Math.round(first.elapsedMs)} ms`
      : 'lives on';
    notes.push(`${engine}, ${attack.name}: ${outcome}; ${answer.connections} connections`);
  }
  return { figures, notes };
}

async function besideHonestPeer(neighbour: Neighbour, port: number): Promise<number> {
  const load = startLoad();
  try {
    const bulk = load.run({ kind: 'up', host: '127.0.0.1', port, count: 1, ms: WINDOW_MS, bytes: 0 });
    const times = await neighbour.measure(WINDOW_MS);
    await bulk;
    return percentile(times, 0.99);
  } finally {
    load.end();
  }
}

interface Bench {
  readonly server: ChildProcess;
  readonly serverPort: number;
  readonly certificates: BenchCertificates;
  readonly neighbour: Neighbour;
  /** What the neighbour's pings of one span cost by themselves. */
  readonly idleCpuSeconds: number;
}

async function besideAttacker(
  { server, serverPort, certificates, neighbour, idleCpuSeconds }: Bench,
  index: number,
  kind: 'again' | 'burn',
): Promise<{
  readonly first: AttackAnswer;
  readonly answer: AttackAnswer;
  readonly neighbourP99Ms: number;
  readonly serverCpuSeconds: number;
  readonly grownKb: number;
}> {
  const script = join(import.meta.dirname, 'attacker-process.ts');
  const attacker = startAnswering<AttackOrder, AttackAnswer>(script, [
    certificates.jsonFile,
    `${serverPort}`,
    `${index}`,
  ]);
  try {
    const memory = residentKbOf([server]);
    const first = await attacker.run({ kind: kind === 'burn' ? 'burn' : 'once', ms: 0 });
    const before = cpuSecondsOf([server]);
    const [times, answer] = await Promise.all([neighbour.measure(WINDOW_MS), attacker.run({ kind, ms: WINDOW_MS })]);
    const serverCpuSeconds = Math.max(0, cpuSecondsOf([server]) - before - idleCpuSeconds);
    const grownKb = Math.max(0, residentKbOf([server]) - memory);
    return { first, answer, neighbourP99Ms: percentile(times, 0.99), serverCpuSeconds, grownKb };
  } finally {
    attacker.end();
  }
}
