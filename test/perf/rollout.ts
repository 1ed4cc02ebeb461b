// Suite `rollout`: fifty rollouts of node proxy and node agent under load. In: nothing. Out: what failed, what was cut, what leaked; all of
// it must be zero but the ends at the drain limit. Called by main.ts. Root only.
import { runRollouts } from '../fixtures/rollout/rollout.ts';
import { benchReport, type BenchFigure, type BenchReport } from './report.ts';

/** About a quarter of an hour on an idle machine of two cores; a machine that needs more than twice that does fewer rollouts and says so. */
const full = {
  rollouts: 50,
  busy: 50,
  idle: 200,
  newPerSecond: 500,
  // Four seconds' worth: where two cores start a proxy and an agent beside the load, connections wait, and none is left out.
  mostOpen: 2048,
  restSeconds: 15,
  drainSeconds: 5,
  limitMs: 40 * 60_000,
};

/** Runs the suite. `change`: a shorter one. */
export async function runRolloutSuite(change: Partial<typeof full> = {}): Promise<BenchReport> {
  const startedMs = performance.now();
  const load = { ...full, ...change };
  const found = await runRollouts({
    ...load,
    onStep: (step) => process.stderr.write(`${Math.round((performance.now() - startedMs) / 1000)} s: ${step}\n`),
  });
  const { fresh, rest } = found;
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
      figure('new connections', fresh.opened),
      figure('new connections', fresh.opened / fresh.seconds, 'per s'),
      figure('new connections at rest', rest.opened / rest.seconds, 'per s'),
      figure('new connection p50', fresh.p50Ms, 'ms'),
      figure('new connection p99', fresh.p99Ms, 'ms'),
      figure('not opened', fresh.notOpened),
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
      `${load.busy} busy and ${load.idle} idle connections, ${load.newPerSecond} new ones due per second, drain limit ${load.drainSeconds} s`,
      `not opened: were due while ${load.mostOpen} were open already, because the machine is slower than the rate`,
      'at rest: the highest rate of this machine, before the first rollout, with the same long connections',
      ...found.failed.slice(0, 5).map((reason) => `failed: ${reason}`),
      ...found.cutEarly.slice(0, 5).map((reason) => `cut early: ${reason}`),
    ],
  });
}
