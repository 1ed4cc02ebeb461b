// In: a stage and a terminal. Out: steps run as keys are pressed, live traffic between them. Called by demo.ts with a terminal.
import { explain } from '@ambit/runtime/errors';
import { banner } from './banner.ts';
import type { Stage } from './stage.ts';
import { tour } from './tour.ts';

const keyLine = `next  ${tour.map((step) => `[${step.number % 10}] ${step.title}`).join('  ')}  [q] quit\n`;

async function runStep(stage: Stage, key: string): Promise<void> {
  const step = tour.find((candidate) => String(candidate.number % 10) === key);
  if (step === undefined) return;
  process.stdout.write(
    `\n${step.number} ${step.title}\n${step.commands.map((command) => `  $ ${command}\n`).join('')}`,
  );
  try {
    for (const fact of await step.run(stage)) process.stdout.write(`  ${fact}\n`);
  } catch (error) {
    process.stdout.write(`  ${explain(error).split('\n').join('\n  ')}\n`);
  }
  process.stdout.write(keyLine);
}

/** One line about the steady load, rewritten in place. */
async function showTraffic(stage: Stage): Promise<void> {
  const counts = await stage.load.counts().catch(() => undefined);
  if (counts === undefined) return;
  const versions = Object.entries(counts.versions)
    .map(([version, count]) => `reviews-${version} ${count}`)
    .join('  ');
  process.stdout.write(
    `\r\x1b[2Klive  load -> productpage  ${counts.succeeded} ok  ${counts.failed} failed   ${versions}`,
  );
}

/** Reads keys until `q`, Ctrl-C or the end of the input. */
export async function runTourByKeys(stage: Stage, stop: AbortController): Promise<void> {
  process.stdout.write(`${banner(stage)}\n${keyLine}`);
  process.stdin.setRawMode(true);
  process.stdin.setEncoding('utf8');
  const traffic = setInterval(() => void showTraffic(stage), 1000);
  const onAbort = (): void => void process.stdin.destroy();
  stop.signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const key of process.stdin as AsyncIterable<string>) {
      if (key === 'q' || key === '\u0003') break;
      await runStep(stage, key);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearInterval(traffic);
    stop.signal.removeEventListener('abort', onAbort);
    if (!process.stdin.destroyed) {
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
  }
}
