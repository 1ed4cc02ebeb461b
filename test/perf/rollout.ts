// Suite `rollout`: fifty rollouts of node proxy and node agent under load. In: nothing. Out: what failed, what was cut, what leaked; all of
// it must be zero but the ends at the drain limit. Called by main.ts. Root only.
import { runRollouts } from '../fixtures/rollout.ts';
import { benchReport, type BenchFigure, type BenchReport } from './report.ts';

const load = { rollouts: 50, busy: 50, idle: 200, newPerSecond: 500, drainSeconds: 5 };

/** Runs the suite. */
export async function runRolloutSuite(): Promise<BenchReport> {
  const startedMs = performance.now();
  const found = await runRollouts({
    ...load,
    onRollout: (number) => process.stderr.write(`rollout ${number} of ${load.rollouts}\n`),
  });
  const elapsedSeconds = Math.round(performance.now() - startedMs) / 1000;
  const figure = (quantity: string, value: number, unit = 'count'): BenchFigure => ({
    quantity,
    unit,
    path: 'ambit',
    median: value,
    rounds: [value],
    ratio: undefined,
  });
  return benchReport(startedMs, {
    suite: 'rollout',
    reference: 'none',
    figures: [
      figure('rollouts', found.rollouts),
      figure('new connections', found.opened),
      figure('new connections', found.opened / elapsedSeconds, 'per s'),
      figure('failed', found.failed.length),
      figure('cut before limit', found.cutEarly.length),
      figure('ended at limit', found.cutAtLimit),
      figure('ends with a reason', found.recordedAtLimit),
      figure('most generations', found.mostGenerations),
      figure('plaintext packets', found.plaintextPackets),
      figure('packets', found.packets),
    ],
    notRun: [],
    notes: [
      `${load.busy} busy and ${load.idle} idle connections, up to ${load.newPerSecond} new ones per second, drain limit ${load.drainSeconds} s`,
      ...found.failed.slice(0, 5).map((reason) => `failed: ${reason}`),
      ...found.cutEarly.slice(0, 5).map((reason) => `cut early: ${reason}`),
    ],
  });
}
