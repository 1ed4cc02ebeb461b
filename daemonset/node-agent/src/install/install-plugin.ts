// In: the agent's settings. Out: a running installer. Called by app.ts.
import type { Logger } from '@ambit/runtime/log';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeAgentConfig } from '../config.ts';
import { NodeAgentError } from '../errors.ts';
import type { SelectionRules } from '../select/eligible.ts';
import type { ConfigWay } from './config-plan.ts';
import { type Installer, type InstallerParts, startInstaller } from './installer.ts';
import { buildKubeconfig, buildPluginElement } from './plugin-element.ts';

/** Where and how the plugin gets into the CNI configuration, as the settings say. Pure. */
export function wayOf(config: NodeAgentConfig): ConfigWay {
  const wanted = config.CNI_CONF_NAME;
  // The chart of upstream writes the second name, its program reads the first one: both are understood (gap G21).
  const ownedName = config.ISTIO_OWNED_CNI_CONFIG_FILENAME || config.ISTIO_OWNED_CNI_CONF_FILENAME;
  if (!config.CHAINED_CNI_PLUGIN) return { kind: 'standalone', wanted, ownedName };
  return { kind: config.ISTIO_OWNED_CNI_CONFIG ? 'owned' : 'chained', wanted, ownedName };
}

/** Permissions out of a text such as `0600`. Throws ERR_NODE_AGENT_CONFIG. */
export function fileModeOf(text: string): number {
  const digits = text.split('');
  if (digits.length >= 3 && digits.length <= 4 && digits.every((digit) => digit >= '0' && digit <= '7'))
    return Number.parseInt(text, 8);
  throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', `KUBECONFIG_MODE is "${text}"`, {
    hint: 'an octal number such as 0600',
  });
}

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
    way: wayOf(config),
    configMode: config.CNI_CONF_GROUP_READ ? 0o640 : 0o600,
    kubeconfigMode: fileModeOf(config.KUBECONFIG_MODE),
    kubeconfig: () =>
      buildKubeconfig({
        host: config.KUBERNETES_SERVICE_HOST,
        port: config.KUBERNETES_SERVICE_PORT,
        protocol: config.KUBERNETES_SERVICE_PROTOCOL,
        caPem: config.SKIP_TLS_VERIFY ? undefined : readFileSync(config.KUBE_CA_FILE || join(folder, 'ca.crt'), 'utf8'),
        token: readFileSync(join(folder, 'token'), 'utf8').trim(),
      }),
    log,
  });
}
