// In: the plugin's executable in the image, the node's CNI folders, the service account. Out: the plugin in the node's CNI chain, kept there
// whatever other components do to the file. Called by app.ts, last of all: from here on pods wait for this agent. Main thread.
// Source: spec node-agent 6.2, 6.7 and 7.3.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { type FSWatcher, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { addPlugin, chooseConfig, type ConfigFile, hasPlugin, type PluginElement, removePlugin } from './cni-config.ts';
import { kubeconfigName } from './plugin-element.ts';
import { modeOf, replaceFile } from './write-file.ts';

/** Where everything is. */
export interface InstallPlaces {
  /** Folder of the image with the plugin's executable. */
  readonly binSource: string;
  /** The node's folder of plugins, as mounted. */
  readonly binFolder: string;
  /** The node's folder of CNI configurations, as mounted. */
  readonly configFolder: string;
  readonly runFolder: string;
  readonly serviceAccountFolder: string;
}

/** What the installer works with. */
export interface InstallerParts {
  readonly places: InstallPlaces;
  readonly element: PluginElement;
  /** `CNI_CONF_NAME`; empty: the first valid file. */
  readonly configName: string;
  readonly configMode: number;
  readonly kubeconfigMode: number;
  /** Text of the kubeconfig, made anew from the service account's files. */
  readonly kubeconfig: () => string;
  readonly log: Logger;
  readonly onReady: (isReady: boolean) => void;
  readonly onInstall: (result: InstallResult) => void;
}

/** Outcome of one attempt, as upstream names it. */
export type InstallResult =
  | 'SUCCESS'
  | 'COPY_BINARIES_FAILURE'
  | 'CREATE_KUBECONFIG_FAILURE'
  | 'CREATE_CNI_CONFIG_FAILURE';

/** A running installer. */
export interface Installer {
  /** Stops watching; `uninstall` also takes the plugin out again. Idempotent. */
  readonly close: (uninstall: boolean) => void;
}

/** Events come in bursts; this much later the folder is looked at. */
const settleMs = 50;
/** Looked at again without an event, because watches can be lost. */
const lookAgainMs = 30_000;
const ownBinary = 'istio-cni';

function readConfigs(folder: string): readonly ConfigFile[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.conf') || name.endsWith('.conflist'))
    .flatMap((name) => {
      try {
        return [{ name, text: readFileSync(join(folder, name), 'utf8') }];
      } catch {
        return []; // removed meanwhile, or a folder
      }
    });
}

/** True when the image has an executable to install. */
export function hasPluginExecutable(binSource: string): boolean {
  try {
    return readdirSync(binSource).includes(ownBinary);
  } catch {
    return false;
  }
}

function installBinaries({ binSource, binFolder }: InstallPlaces): void {
  for (const name of readdirSync(binSource))
    replaceFile(join(binFolder, name), readFileSync(join(binSource, name)), 0o755);
}

/** Returns false while there is no configuration to chain to. */
function installConfig({ places, element, configName, configMode, log }: InstallerParts): boolean {
  const file = chooseConfig(readConfigs(places.configFolder), configName);
  if (file === undefined) return false;
  if (hasPlugin(file, element)) return true;
  const change = addPlugin(file, element);
  if (change === undefined) return false;
  const path = join(places.configFolder, change.name);
  replaceFile(path, change.text, modeOf(join(places.configFolder, file.name), configMode));
  if (change.removes !== undefined) rmSync(join(places.configFolder, change.removes), { force: true });
  log.info('plugin added to the CNI configuration', { file: change.name });
  return true;
}

function attempt(parts: InstallerParts): { readonly result: InstallResult; readonly isReady: boolean } {
  const { places, kubeconfig, kubeconfigMode, log } = parts;
  const steps: readonly (readonly [InstallResult, () => boolean])[] = [
    ['COPY_BINARIES_FAILURE', () => (installBinaries(places), true)],
    [
      'CREATE_KUBECONFIG_FAILURE',
      () => {
        const path = join(places.runFolder, kubeconfigName);
        if (replaceFile(path, kubeconfig(), kubeconfigMode)) log.info('wrote kubeconfig file', { path });
        return true;
      },
    ],
    ['CREATE_CNI_CONFIG_FAILURE', () => installConfig(parts)],
  ];
  for (const [result, step] of steps) {
    try {
      if (!step()) return { result: 'SUCCESS', isReady: false };
    } catch (error) {
      const message = messageOf(error);
      log.error('plugin could not be installed', {
        step: result,
        error: message,
        ...(message.includes('EROFS') ? { try: "set the platform's folder of CNI plugins (cniBinDir)" } : {}),
      });
      return { result, isReady: false };
    }
  }
  return { result: 'SUCCESS', isReady: true };
}

function uninstall({ places, configName, log }: InstallerParts): void {
  const file = chooseConfig(readConfigs(places.configFolder), configName);
  const text = file === undefined ? undefined : removePlugin(file);
  if (file !== undefined && text !== undefined) {
    const path = join(places.configFolder, file.name);
    replaceFile(path, text, modeOf(path, 0o600));
  }
  rmSync(join(places.runFolder, kubeconfigName), { force: true });
  rmSync(join(places.binFolder, ownBinary), { force: true });
  log.info('plugin taken out of the CNI configuration');
}

/** Installs, watches the folders and installs again after every change, until closed. */
export function startInstaller(parts: InstallerParts): Installer {
  const { places, log, onReady, onInstall } = parts;
  const watchers: FSWatcher[] = [];
  let settle: NodeJS.Timeout | undefined;
  let isClosed = false;
  const look = (): void => {
    const { result, isReady } = attempt(parts);
    onInstall(result);
    onReady(isReady);
  };
  const wake = (): void => {
    if (isClosed) return;
    clearTimeout(settle);
    settle = setTimeout(look, settleMs);
  };
  for (const folder of [places.configFolder, places.binFolder, places.serviceAccountFolder]) {
    try {
      const watcher = watch(folder, { persistent: false }, wake);
      watcher.on('error', (error) => log.warn('folder can not be watched any more', { folder, error: error.message }));
      watchers.push(watcher);
    } catch (error) {
      log.warn('folder cannot be watched', { folder, error: messageOf(error) });
    }
  }
  const timer = setInterval(wake, lookAgainMs);
  timer.unref();
  look();
  return {
    close: (withUninstall) => {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(settle);
      clearInterval(timer);
      for (const watcher of watchers) watcher.close();
      if (withUninstall) uninstall(parts);
    },
  };
}
