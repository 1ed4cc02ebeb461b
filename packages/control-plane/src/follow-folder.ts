// A folder whose files are exchanged while we run (mounted Secrets, plugged certificates). In: its path. Out: a call whenever it has changed
// and is quiet again: files come one by one. Used by what reads such files; main thread.
import { type FSWatcher, watch } from 'node:fs';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';

const QUIET_MS = 100;

/** Settings of {@link followFolder}. */
export interface FollowFolderOptions {
  /** Must not throw. */
  readonly onChanged: () => void;
  /** Said when watching ends, and when it cannot begin: the folder is then not followed. */
  readonly warnings: { readonly ended: string; readonly impossible: string };
  readonly log: Logger;
}

/** Follows a folder until disposed. Never throws. */
export function followFolder(folder: string, { onChanged, warnings, log }: FollowFolderOptions): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const onEvent = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onChanged, QUIET_MS);
    timer.unref();
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(folder, { persistent: false }, onEvent);
    watcher.on('error', (error) => log.warn(warnings.ended, { folder, error: messageOf(error) }));
  } catch (error) {
    log.warn(warnings.impossible, { folder, error: messageOf(error) });
  }
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}
