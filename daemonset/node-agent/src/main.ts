// argv, environment, start, wait for a signal. Nothing else. Called by the container runtime.
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger } from '@ambit/runtime/log';
import { startNodeAgent } from './app.ts';
import { connectPodSource } from './cluster/kube-pod-source.ts';
import { readNodeAgentConfig } from './config.ts';

const config = readOrExit(() => readNodeAgentConfig(process.argv.slice(2)));
const log = createLogger({ level: config.LOG_LEVEL, format: config.LOG_FORMAT, scope: 'node-agent' });
const drain = createDrain();
await runUntilSignal(async () => startNodeAgent(config, await connectPodSource(config, log.child('kube')), log), {
  drain,
  drainDeadlineMs: 1000,
  log,
});
