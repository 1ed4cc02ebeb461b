// The result of a suite, as data and as text. Called by the suites and by main.ts.
import { availableParallelism } from 'node:os';

/** One measured quantity of one path. */
export interface BenchFigure {
  readonly quantity: string;
  readonly unit: string;
  readonly path: string;
  /** Median of the rounds. */
  readonly median: number;
  /** Every round, in order. */
  readonly rounds: readonly number[];
  /** Median of the same-round ratios to the reference path; 1 for the reference. */
  readonly ratio: number | undefined;
  /** Byte-path engine of the path, where it is one of ours. */
  readonly engine?: string;
}

/** What a suite found. */
export interface BenchReport {
  readonly suite: string;
  readonly date: string;
  readonly node: string;
  readonly cpus: number;
  /** The path that ratios refer to. */
  readonly reference: string;
  readonly figures: readonly BenchFigure[];
  /** Paths that could not be measured, with the reason. */
  readonly notRun: readonly string[];
  /** What a reader must know to compare. */
  readonly notes: readonly string[];
  readonly elapsedSeconds: number;
}

/** What a suite says of itself; the rest of its report is the same for all. */
export type BenchFindings = Pick<BenchReport, 'suite' | 'reference' | 'figures' | 'notRun' | 'notes'>;

/** The report of a suite that began at `startedMs` (of `performance.now()`) and ends now. */
export function benchReport(startedMs: number, findings: BenchFindings): BenchReport {
  return {
    ...findings,
    date: new Date().toISOString(),
    node: process.version,
    cpus: availableParallelism(),
    elapsedSeconds: Math.round(performance.now() - startedMs) / 1000,
  };
}

/** The median; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value that a share (0 to 1) of the values stays below; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A table: one line per quantity and path. */
export function formatReport(report: BenchReport): string {
  const head = `${report.suite}: ${report.date}, node ${report.node}, ${report.cpus} cpus, ${report.elapsedSeconds} s; ratios to ${report.reference}`;
  const rows = report.figures.map((figure) => {
    const ratio = figure.ratio === undefined ? '' : `${figure.ratio.toFixed(2)}x`;
    return `${figure.quantity.padEnd(30)}${figure.path.padEnd(20)}${round(figure.median).padStart(10)} ${figure.unit.padEnd(10)}${ratio.padStart(8)}`;
  });
  return `${[head, ...rows, ...report.notes.map((note) => `note: ${note}`), ...report.notRun.map((why) => `not run: ${why}`)].join('\n')}\n`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
}
