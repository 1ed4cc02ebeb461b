// In: the plugin's executable in the image, the node's CNI folders, the service account. Out: the plugin in the node's CNI chain, kept there
// whatever other components do to the file. Called by app.ts, last of all: from here on pods wait for this agent. Main thread.
// Source: spec node-agent 6.2, 6.7 and 7.3.
import { createBackoff } from '@ambit/runtime/backoff';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { type FSWatcher, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { ConfigFile, PluginElement } from './cni-config.ts';
import { type ConfigWay, planConfig, planRemoval } from './config-plan.ts';
import { kubeconfigName } from './plugin-element.ts';
import { copyFile, modeOf, replaceFile } from '../write-file.ts';

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
  readonly way: ConfigWay;
  readonly configMode: number;
  readonly kubeconfigMode: number;
  /** Text of the kubeconfig, made anew from the service account's files. */
  readonly kubeconfig: () => string;
  readonly log: Logger;
  readonly onReady: (isReady: boolean) => void;
  readonly onInstall: (result: InstallResult) => void;
  /** Milliseconds. Default the system's clock; replaced in tests. */
  readonly now?: () => number;
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
/** Wait after the first failed attempt; doubles with each further one, to `lookAgainMs`. */
const retryMs = 1000;
const ownBinary = 'istio-cni';
/** What stays of the plugin when the mesh is removed: it adds no pod, and deletes every one. */
const farewell = `#!/bin/sh
# The mesh was removed from this node. Pods that were started with its plugin need this file to be deleted; afterwards it may go.
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"0.3.1","code":999,"msg":"istio-cni was removed from this node, but a CNI configuration still names it"}'
exit 1
`;

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
  for (const name of readdirSync(binSource)) copyFile(join(binSource, name), join(binFolder, name), 0o755);
}

/** Returns false while there is no configuration to chain to. */
function installConfig({ places, element, way, configMode, log }: InstallerParts): boolean {
  const folder = places.configFolder;
  const plan = planConfig(readConfigs(folder), way, element);
  if (plan.kind !== 'write') return plan.kind === 'valid';
  const { name, text, removes, like, warning } = plan;
  replaceFile(join(folder, name), text, modeOf(join(folder, like ?? name), configMode));
  if (removes !== undefined) rmSync(join(folder, removes), { force: true });
  if (warning !== undefined) log.warn(warning, { file: name, try: 'set ISTIO_OWNED_CNI_CONFIG_FILENAME' });
  log.info('plugin added to the CNI configuration', { file: name, way: way.kind });
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

/** The configuration before the executable: a runtime that is told to call a plugin must find it. */
function uninstall({ places, way, log }: InstallerParts): void {
  const plan = planRemoval(readConfigs(places.configFolder), way);
  const path = join(places.configFolder, plan?.name ?? '');
  if (plan?.kind === 'write') replaceFile(path, plan.text, modeOf(path, 0o600));
  if (plan?.kind === 'delete') rmSync(path, { force: true });
  rmSync(join(places.runFolder, kubeconfigName), { force: true });
  // A runtime calls DEL with the configuration that a pod was started with: without an executable such pods could not be deleted (gap G20).
  replaceFile(join(places.binFolder, ownBinary), farewell, 0o755);
  log.info('plugin taken out of the CNI configuration');
}

const conflictRounds = 5;
const conflictGapMs = 5000;

/** Notices rounds that follow each other quickly, again and again. */
class RewriteCounter {
  #last = Number.NEGATIVE_INFINITY;
  #close = 0;

  /** Called for each round. True once for every run of rounds that are closer together than 5 s. */
  isConflict(nowMs: number): boolean {
    this.#close = nowMs - this.#last < conflictGapMs ? this.#close + 1 : 0;
    this.#last = nowMs;
    return this.#close === conflictRounds;
  }
}

/** Installs, watches the folders and installs again after every change, until closed. */
export function startInstaller(parts: InstallerParts): Installer {
  const { places, log, onReady, onInstall, now = Date.now } = parts;
  const watchers: FSWatcher[] = [];
  let settle: NodeJS.Timeout | undefined;
  let isClosed = false;
  const rewrites = new RewriteCounter();
  // An attempt that fails has often written to a folder that is watched: it must not be what wakes the next one at once.
  const retry = createBackoff({ initialMs: retryMs, maxMs: lookAgainMs });
  let delayMs = settleMs;
  const look = (): void => {
    settle = undefined;
    if (rewrites.isConflict(now()))
      log.warn('Configuration has been reconciled multiple times: another program keeps changing the CNI folder', {
        folder: places.configFolder,
        try: 'with Cilium: cni.exclusive=false',
      });
    const { result, isReady } = attempt(parts);
    onInstall(result);
    onReady(isReady);
    if (result === 'SUCCESS') retry.reset();
    delayMs = result === 'SUCCESS' ? settleMs : retry.next();
    if (result !== 'SUCCESS') wake();
  };
  function wake(): void {
    if (isClosed || (settle !== undefined && delayMs > settleMs)) return;
    clearTimeout(settle);
    settle = setTimeout(look, delayMs);
  }
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
