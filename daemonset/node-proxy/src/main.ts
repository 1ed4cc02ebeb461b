/**
 * Command line and environment in; the process out: run until a signal, drain, exit.
 *
 * Arguments (spec/node-proxy.md 1.2): none or `proxy` runs, `version` and `help` print. A second signal ends at once.
 */
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger, type RootLogger } from '@ambit/runtime/log';
import { shownConfig } from './admin/shown-config.ts';
import { startApp } from './app.ts';
import { readConfig } from './config.ts';
import { buildInfoText } from './version.ts';

/** Time that the threads may need to report after the drain deadline. */
const DRAIN_MARGIN_MS = 1000;

const HELP =
  'usage: node-proxy [proxy | version | help]\n  proxy (default): run; configuration comes from the environment\n';

async function main(command: string): Promise<void> {
  switch (command) {
    case 'proxy':
      return run();
    case 'version':
      process.stdout.write(`${buildInfoText('unknown')}\n`);
      return undefined;
    case 'help':
      process.stdout.write(HELP);
      return undefined;
    default:
      process.stderr.write(`unknown command: ${command.slice(0, 80)}\n${HELP}`);
      process.exitCode = 1;
      return undefined;
  }
}

async function run(): Promise<void> {
  const config = readOrExit(() => readConfig());
  const log: RootLogger = createLogger({ level: config.env.RUST_LOG, format: config.env.LOG_FORMAT });
  log.info(buildInfoText(config.env.ISTIO_META_ISTIO_VERSION));
  for (const note of config.notes) log.error(note);
  log.info('running with config', { config: JSON.stringify(shownConfig(config)) });
  const drain = createDrain();
  await runUntilSignal(async (context) => startApp(config, log, context), {
    drain,
    drainDeadlineMs: config.drainDeadlineMs + DRAIN_MARGIN_MS,
    log,
  });
}

await main(process.argv[2] ?? 'proxy');
