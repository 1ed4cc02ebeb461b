// Kubeconfigs of other clusters as files of a folder (spec control-plane 8.3 M1, PILOT_MULTICLUSTER_KUBECONFIG_PATH), such as a mounted Secret. In:
// a folder. Out: what there is, and calls when it changes. Called by remote-clusters.ts; main thread. The id of a cluster is the name that its
// kubeconfig gives it. A file that cannot be used leaves in force what it held before: only a file that is gone removes a cluster.
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { clusterNameOf } from '@ambit/kube';
import { background } from '@ambit/runtime/background';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { followFolder } from '../follow-folder.ts';
import type { KubeconfigSource, OpenKubeconfigs } from './remote-secrets.ts';

const ENDINGS = new Set(['.yaml', '.yml']);
/** Most files that are read; more are left out, in the order of their names. */
const MAX_FILES = 200;
const MAX_BYTES = 1024 * 1024;

/** Settings of {@link openKubeconfigFolder}. */
export interface KubeconfigFolderOptions {
  readonly folder: string;
  readonly log: Logger;
}

/** What a file holds. */
interface Held {
  readonly id: string;
  readonly text: string;
}

/** Follows the folder; its origins are paths of files. */
export function openKubeconfigFolder({ folder, log }: KubeconfigFolderOptions): OpenKubeconfigs {
  return (onChange): KubeconfigSource => {
    const files = new Map<string, Held>();
    let isClosed = false;

    const look = async (): Promise<void> => {
      const paths = await filesOf(folder);
      if (isClosed) return;
      const gone = [...files.keys()].filter((path) => !paths.includes(path));
      for (const path of gone) {
        files.delete(path);
        onChange(path, 'delete');
      }
      for (const path of paths) {
        try {
          const next = await read(path);
          const known = files.get(path);
          if (isClosed || (known?.text === next.text && known.id === next.id)) continue;
          files.set(path, next);
          onChange(path, 'update');
        } catch (error) {
          log.error('kubeconfig of a remote cluster not used, what it held before stays', {
            file: path,
            error: explain(error),
          });
        }
      }
    };
    // One look at a time: what came meanwhile is seen by the next.
    let looking = look();
    const synced = looking.catch((error: unknown) => {
      log.error('kubeconfigs of remote clusters cannot be read', { folder, error: messageOf(error) });
    });
    const following = followFolder(folder, {
      onChanged() {
        looking = looking.catch(() => undefined).then(look);
        background(log, 'kubeconfigs of remote clusters', looking);
      },
      warnings: {
        ended: 'kubeconfigs are watched no longer',
        impossible: 'kubeconfigs cannot be watched, a restart takes new ones',
      },
      log,
    });
    return {
      synced,
      get(origin) {
        const held = files.get(origin);
        return held === undefined ? {} : { [held.id]: held.text };
      },
      close() {
        isClosed = true;
        following[Symbol.dispose]();
      },
    };
  };
}

/** Paths in the order of names. Names with a dot in front are the mount's own. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => !name.startsWith('.') && ENDINGS.has(extname(name)))
    .toSorted()
    .slice(0, MAX_FILES)
    .map((name) => join(folder, name));
}

async function read(path: string): Promise<Held> {
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new RangeError(`the file has more than ${MAX_BYTES} bytes`);
  const text = await readFile(path, 'utf8');
  return { id: clusterNameOf(text), text };
}
