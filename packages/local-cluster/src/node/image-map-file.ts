// The user's image map while the cluster runs: read again when the file changed, so that `load-image` and an editor work
// without a restart. In: the file, the entries around it. Out: the entries as they are now. Called by cluster.ts.
import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { parseImageMap } from './images.ts';
import type { ImageEntry } from './images.ts';

/** Entries that come before and after those of the file. */
export interface FixedEntries {
  readonly before: readonly ImageEntry[];
  readonly after: readonly ImageEntry[];
}

/** A look-up of the entries in force. A file that cannot be used is told once per change; its last good form stays. */
export function followImageMap(
  file: string,
  { before, after }: FixedEntries,
  log: Logger,
): () => readonly ImageEntry[] {
  let seen = '';
  let entries = [...before, ...after];
  return () => {
    const state = stateOf(file);
    if (state === seen) return entries;
    seen = state;
    try {
      const own = state === '' ? [] : parseImageMap(readFileSync(file, 'utf8'), file);
      entries = [...before, ...own, ...after];
    } catch (error) {
      log.warn('image map not taken over', { file, error: messageOf(error) });
    }
    return entries;
  };
}

function stateOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}
