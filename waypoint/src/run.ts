/** A waypoint until a signal: environment and arguments in. Called by main.ts. Main thread. */
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger } from '@ambit/runtime/log';
import { startWaypoint } from './app.ts';
import { readConfig } from './config.ts';

/** Time that tunnels get after the announced drain; together below the pod's grace period of 30 s. */
const tunnelDrainMs = 20_000;

/** Runs; resolves when the waypoint has ended. */
export const runWaypoint = async (environment: NodeJS.ProcessEnv, argv: readonly string[]): Promise<void> => {
  const config = readOrExit(() => readConfig(environment, argv));
  const log = createLogger({ level: config.logLevel, format: config.env.AMBIT_LOG_FORMAT });
  log.info('waypoint starts', { node: config.nodeId, identity: config.identity, discovery: config.discoveryAddress });
  await runUntilSignal((context) => startWaypoint(config, log, context), {
    drain: createDrain(),
    drainDeadlineMs: config.terminationDrainMs + tunnelDrainMs,
    log,
  });
};
