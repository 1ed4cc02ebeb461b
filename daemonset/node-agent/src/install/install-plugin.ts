// In: the agent's settings. Out: a running installer. Called by app.ts.
import type { Logger } from '@ambit/runtime/log';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeAgentConfig } from '../config.ts';
import type { SelectionRules } from '../select/eligible.ts';
import { type Installer, type InstallerParts, startInstaller } from './installer.ts';
import { buildKubeconfig, buildPluginElement } from './plugin-element.ts';

/** Starts the installer as configured. */
export function installPlugin(
  config: NodeAgentConfig,
  rules: SelectionRules,
  log: Logger,
  events: Pick<InstallerParts, 'onReady' | 'onInstall'>,
): Installer {
  const folder = config.AMBIT_SERVICE_ACCOUNT_DIR;
  return startInstaller({
    ...events,
    places: {
      binSource: config.AMBIT_CNI_BIN_SOURCE,
      binFolder: config.AMBIT_CNI_BIN_DIR,
      configFolder: config.MOUNTED_CNI_NET_DIR,
      runFolder: config.CNI_AGENT_RUN_DIR,
      serviceAccountFolder: folder,
    },
    element: buildPluginElement(config, rules),
    configName: config.CNI_CONF_NAME,
    configMode: config.CNI_CONF_GROUP_READ ? 0o640 : 0o600,
    kubeconfigMode: 0o600,
    kubeconfig: () =>
      buildKubeconfig({
        host: config.KUBERNETES_SERVICE_HOST,
        port: config.KUBERNETES_SERVICE_PORT,
        caPem: readFileSync(join(folder, 'ca.crt'), 'utf8'),
        token: readFileSync(join(folder, 'token'), 'utf8').trim(),
      }),
    log,
  });
}
