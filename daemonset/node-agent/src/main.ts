// argv, environment, start, wait for a signal. Nothing else. Called by the container runtime.
import { createDrain } from '@ambit/runtime/drain';
import { explain } from '@ambit/runtime/errors';
import { runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger, type LogLevel } from '@ambit/runtime/log';
import { startNodeAgent } from './app.ts';
import { connectPodSource } from './cluster/kube-pod-source.ts';
import { type NodeAgentConfig, readNodeAgentConfig } from './config.ts';

let config: NodeAgentConfig;
try {
  config = readNodeAgentConfig();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(2);
}
const log = createLogger({ level: config.LOG_LEVEL as LogLevel, format: 'plain', scope: 'node-agent' });
const drain = createDrain();
await runUntilSignal(async () => startNodeAgent(config, await connectPodSource(config, log.child('kube')), log), {
  drain,
  drainDeadlineMs: 1000,
  log,
});
