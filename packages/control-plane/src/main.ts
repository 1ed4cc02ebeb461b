// The control plane as a process. In: argv and the environment. Out: an exit status. Nothing else happens here.
import { createRestClient, inClusterAccess, kubeconfigAccess } from '@ambit/kube';
import { createDrain } from '@ambit/runtime/drain';
import { readOrExit, runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { startControlPlane } from './app.ts';
import { readConfig } from './config.ts';

const config = readOrExit(() => readConfig(undefined, process.argv.slice(2)));
const log = createLogger({
  level: config.logLevel,
  format: config.AMBIT_LOG_FORMAT,
});

await runUntilSignal(
  async () => {
    const host = config.KUBERNETES_SERVICE_HOST;
    const access =
      host === undefined || config.KUBECONFIG !== undefined
        ? await kubeconfigAccess(config.KUBECONFIG)
        : await inClusterAccess({ host, port: config.KUBERNETES_SERVICE_PORT });
    const client = createRestClient(access, { userAgent: 'ambit-control-plane' });
    const metrics = createMetricsRegistry({ processMetrics: true });
    const app = await startControlPlane({ config, client, log, metrics });
    return {
      close: async () => {
        await app.close();
        client.close();
      },
    };
  },
  { drain: createDrain(), log },
);
