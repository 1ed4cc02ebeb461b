// The control plane as a process. In: argv and the environment. Out: an exit status. Nothing else happens here.
// Arguments: `discovery` (or none) runs, `version` prints.
import { createRestClient } from '@ambit/kube';
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { startControlPlane } from './app.ts';
import { clusterAccess, secretsAccess } from './cluster-access.ts';
import { readConfig } from './config.ts';
import { declinedEnvironment } from './declined-environment.ts';
import { VERSION_TEXT } from './version.ts';

const HELP =
  'usage: control-plane [discovery | version | help] [flags]\n  discovery (default): run; configuration comes from the environment\n';

async function main(command: string): Promise<void> {
  switch (command) {
    case 'discovery':
      return run();
    case 'version':
      process.stdout.write(`${VERSION_TEXT.full}\n`);
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
  const config = readOrExit(() => readConfig(undefined, process.argv.slice(2)));
  const log = createLogger({
    level: config.logLevel,
    format: config.AMBIT_LOG_FORMAT,
  });
  for (const name of config.declined)
    log.warn('a variable is set that this control plane does not read', {
      name,
      reason: declinedEnvironment[name]?.reason,
    });
  const orExit = (error: unknown): never =>
    readOrExit((): never => {
      throw error;
    });
  const access = await clusterAccess(config).catch(orExit);
  const elsewhere = await secretsAccess(config).catch(orExit);
  await runUntilSignal(
    async () => {
      const userAgent = 'ambit-control-plane';
      const client = createRestClient(access, { userAgent });
      const secretsClient = elsewhere && createRestClient(elsewhere, { userAgent });
      const metrics = createMetricsRegistry({ processMetrics: true });
      const app = await startControlPlane({ config, client, secretsClient, log, metrics });
      return {
        close: async () => {
          await app.close();
          client.close();
          secretsClient?.close();
        },
      };
    },
    { drain: createDrain(), log },
  );
}

const [command = 'discovery'] = process.argv.slice(2);
// Flags alone mean the command that charts pass.
await main(command.startsWith('-') ? 'discovery' : command);
