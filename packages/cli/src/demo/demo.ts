// In: the flags of `ambit demo`. Out: a running demo with its tour, and its exit status; at the end nothing is left.
// Called by command.ts.
import type { CliConfig } from '../config.ts';
import { removeCluster } from '../local/down.ts';
import { printFailure } from '../output/failure.ts';
import { startProgress } from '../output/progress.ts';
import { bringUp } from './bring-up.ts';
import type { DemoFlags } from './command.ts';
import { demoName, type Stage } from './stage.ts';
import { runTourByKeys } from './tour-by-keys.ts';
import { runWholeTour } from './whole-tour.ts';

/** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function stopOnSignal(): AbortController {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130);
      process.stderr.write('\nstopping; everything the demo made is removed\n');
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  return stop;
}

async function remove(config: CliConfig): Promise<void> {
  const progress = startProgress('removing the demo');
  await removeCluster(config.localDirectory, demoName);
  progress.done('the demo is gone: no process, no network namespace, no file');
}

/** Runs the demo. Exit status 0 when every step of the tour held, 1 otherwise, 130 when it was stopped before its end. */
export async function runDemo(config: CliConfig, flags: DemoFlags): Promise<number> {
  await removeCluster(config.localDirectory, demoName);
  if (flags.reset === true) {
    process.stdout.write('no demo is left\n');
    return 0;
  }
  const stop = stopOnSignal();
  const byItself = flags.check === true || !process.stdin.isTTY;
  let stage: Stage | undefined;
  try {
    stage = await bringUp(config, flags, stop.signal);
    if (byItself) return await runWholeTour(stage);
    await runTourByKeys(stage, stop);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return byItself ? 130 : 0;
    printFailure(error);
    return 1;
  } finally {
    await remove(config);
  }
}
