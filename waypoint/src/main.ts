/** Entry of the waypoint process: environment and arguments in, a running waypoint until a signal. Main thread. */
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger } from '@ambit/runtime/log';
import { startWaypoint } from './app.ts';
import { readConfig } from './config.ts';

/** Time that tunnels get after the announced drain; together below the pod's grace period of 30 s. */
const tunnelDrainMs = 20_000;

// The one place besides config.ts that touches the environment: it hands it over.
// oxlint-disable-next-line node/no-process-env -- the entry passes the environment to config.ts
const config = readOrExit(() => readConfig(process.env, process.argv.slice(2)));
const log = createLogger({ level: config.logLevel, format: config.env.AMBIT_LOG_FORMAT });
log.info('waypoint starts', { node: config.nodeId, identity: config.identity, discovery: config.discoveryAddress });
await runUntilSignal((context) => startWaypoint(config, log, context), {
  drain: createDrain(),
  drainDeadlineMs: config.terminationDrainMs + tunnelDrainMs,
  log,
});
