// One run of wrk (HTTP/1.1, closed loop) against a path of `bench l7`. Out: rate, CPU of the path's process, p99. Used by suite.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpuSecondsOf } from '../l4/processes.ts';

/** A way to the application. */
export interface Path {
  readonly name: string;
  readonly port: number;
  /** Whose CPU counts. */
  readonly process: ChildProcess;
  readonly headers?: readonly string[];
}

/** Connections of every load. */
export const CONNECTIONS = 32;
/** Length of one run. */
export const LEG_SECONDS = Number(process.env['AMBIT_BENCH_SECONDS'] ?? 3);

/** What one run found. */
export interface Leg {
  readonly requestsPerSecond: number;
  readonly cpuMicroseconds: number;
  readonly p99Milliseconds: number;
}

/** One run of wrk against a path. */
export async function measure(path: Path): Promise<Leg> {
  const headers = (path.headers ?? []).flatMap((header) => ['-H', header]);
  const url = `http://127.0.0.1:${path.port}/service-x`;
  const before = cpuSecondsOf([path.process]);
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${LEG_SECONDS}s`, '--latency', ...headers, url];
  const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  wrk.stdout.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  await once(wrk, 'close');
  const cpu = cpuSecondsOf([path.process]) - before;
  const words = text.split('\n').map((line) =>
    line
      .trim()
      .split(' ')
      .filter((word) => word !== ''),
  );
  const valueOf = (name: string, index: number): string => words.find((line) => line[0] === name)?.[index] ?? '';
  const total = Number(words.find((line) => line[1] === 'requests' && line[2] === 'in')?.[0] ?? Number.NaN);
  if (words.some((line) => line[0] === 'Non-2xx')) throw new Error(`${path.name}: answers that are no 2xx\n${text}`);
  return {
    requestsPerSecond: Number(valueOf('Requests/sec:', 1)),
    cpuMicroseconds: (cpu * 1e6) / total,
    p99Milliseconds: milliseconds(valueOf('99%', 1)),
  };
}

const milliseconds = (text: string): number => {
  const value = Number.parseFloat(text);
  if (text.endsWith('us')) return value / 1000;
  return text.endsWith('ms') ? value : value * 1000;
};
