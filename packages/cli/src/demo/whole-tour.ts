// In: a stage. Out: every step run in order, an ok line each, and the exit status. Called by demo.ts without a terminal.
import { explain } from '@ambit/runtime/errors';
import { banner } from './banner.ts';
import type { Stage } from './stage.ts';
import { tour } from './tour.ts';

/** Runs all steps; stops at the first that fails, because each stands on the one before. */
export async function runWholeTour(stage: Stage): Promise<0 | 1> {
  process.stdout.write(`${banner(stage)}\n`);
  for (const step of tour) {
    stage.signal.throwIfAborted();
    const started = performance.now();
    try {
      const facts = await step.run(stage);
      process.stdout.write(
        `ok ${step.number} ${step.title} (${((performance.now() - started) / 1000).toFixed(1)} s)\n${facts.map((fact) => `     ${fact}\n`).join('')}`,
      );
    } catch (error) {
      if (stage.signal.aborted) throw error;
      process.stdout.write(
        `FAILED ${step.number} ${step.title}\n${explain(error)
          .split('\n')
          .map((line) => `     ${line}\n`)
          .join('')}     log: ${stage.cluster.logFile}\n`,
      );
      return 1;
    }
  }
  process.stdout.write(`${tour.length} steps ok\n`);
  return 0;
}
