// In: the files of the node's CNI folder, how the plugin is to be installed there. Out: what to write or delete. Pure. Called by installer.ts.
// Three ways (spec node-agent 6.2): `chained` puts our element into the network plugin's own file; `owned` leaves that file alone and writes a
// copy with our element before it, which survives restarts and rewrites; `standalone` writes our element as a file of its own.
import {
  addPlugin,
  chooseConfig,
  type ConfigFile,
  hasPlugin,
  isValidConfig,
  type PluginElement,
  printConfig,
  removePlugin,
} from './cni-config.ts';

/** How the plugin is installed. */
export interface ConfigWay {
  readonly kind: 'chained' | 'owned' | 'standalone';
  /** `CNI_CONF_NAME`: the network plugin's file, or our own in the standalone way; empty: the first valid one, or the usual name. */
  readonly wanted: string;
  /** Name of the owned copy; empty: the usual one. */
  readonly ownedName: string;
}

/** What to do with the folder. */
export type ConfigPlan =
  /** There is nothing to chain to yet. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'valid' }
  | {
      readonly kind: 'write';
      readonly name: string;
      readonly text: string;
      /** A single-plugin file that the new list replaces. */
      readonly removes: string | undefined;
      /** File whose permissions the new one takes over. */
      readonly like: string | undefined;
      /** What an operator should know. */
      readonly warning: string | undefined;
    };

/** How to take the plugin out again; undefined when it is not there. */
export type RemovalPlan =
  | { readonly kind: 'write'; readonly name: string; readonly text: string }
  | { readonly kind: 'delete'; readonly name: string }
  | undefined;

const usualOwnedName = '02-istio-cni.conflist';
const usualStandaloneName = 'YYY-istio-cni.conf';
const standaloneVersion = '0.3.1';

const ownNameOf = (way: ConfigWay): string =>
  way.kind === 'owned' ? way.ownedName || usualOwnedName : way.wanted || usualStandaloneName;

function planOwnFile(
  files: readonly ConfigFile[],
  name: string,
  text: string,
  warning: string | undefined,
): ConfigPlan {
  if (files.some((file) => file.name === name && file.text === text)) return { kind: 'valid' };
  return { kind: 'write', name, text, removes: undefined, like: undefined, warning };
}

function planOwned(files: readonly ConfigFile[], way: ConfigWay, element: PluginElement): ConfigPlan {
  const name = ownNameOf(way);
  const primary = chooseConfig(
    files.filter((file) => file.name !== name),
    way.wanted,
  );
  const copy = primary === undefined ? undefined : addPlugin(primary, element);
  if (primary === undefined || copy === undefined) {
    // Without the network plugin's file the copy of before stays: after a restart of the node it is what keeps pods waiting.
    const held = files.find((file) => file.name === name);
    return held !== undefined && hasPlugin(held, element) ? { kind: 'valid' } : { kind: 'wait' };
  }
  const warning =
    name < primary.name
      ? undefined
      : `${name} does not sort before ${primary.name}: the runtime uses the other file, and pods start outside of the mesh`;
  // The whole content is compared: a change of the network plugin's settings is taken over (gap G22).
  return planOwnFile(files, name, copy.text, warning);
}

function planChained(files: readonly ConfigFile[], { wanted }: ConfigWay, element: PluginElement): ConfigPlan {
  const file = chooseConfig(files, wanted);
  if (file === undefined) return { kind: 'wait' };
  if (hasPlugin(file, element)) return { kind: 'valid' };
  const change = addPlugin(file, element);
  if (change === undefined) return { kind: 'wait' };
  return { kind: 'write', ...change, like: file.name, warning: undefined };
}

/** What the folder needs so that the runtime calls the plugin. */
export function planConfig(files: readonly ConfigFile[], way: ConfigWay, element: PluginElement): ConfigPlan {
  switch (way.kind) {
    case 'chained':
      return planChained(files, way, element);
    case 'owned':
      return planOwned(files, way, element);
    case 'standalone':
      return planOwnFile(files, ownNameOf(way), printConfig({ ...element, cniVersion: standaloneVersion }), undefined);
    default:
      return way.kind satisfies never;
  }
}

/** What takes the plugin out of the folder. */
export function planRemoval(files: readonly ConfigFile[], way: ConfigWay): RemovalPlan {
  if (way.kind !== 'chained') {
    const name = ownNameOf(way);
    return files.some((file) => file.name === name) ? { kind: 'delete', name } : undefined;
  }
  const file = chooseConfig(files, way.wanted);
  const text = file === undefined || !isValidConfig(file) ? undefined : removePlugin(file);
  return file === undefined || text === undefined ? undefined : { kind: 'write', name: file.name, text };
}
