// Entries of a cluster's image map (`images.yaml` of its folder), which the running cluster reads again. In: entries. Out: the file,
// written at once or not at all. Called by `local up -f` and `local load-image`.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { CliError } from '../errors.ts';
import type { ImageMapEntry } from './cluster-file.ts';

/** Puts entries first; an entry for the same images is replaced. Throws ERR_CLI_FILE when the present file is no list. */
export function addImages(directory: string, entries: readonly ImageMapEntry[]): void {
  const file = join(directory, 'images.yaml');
  const present: unknown = existsSync(file) ? parse(readFileSync(file, 'utf8')) : [];
  if (!Array.isArray(present)) {
    throw new CliError('ERR_CLI_FILE', `${file} is not a list of entries`, { hint: 'mend it, or remove it' });
  }
  const names = new Set(entries.map(({ match }) => match));
  const kept = (present as ImageMapEntry[]).filter((entry) => !names.has(entry?.match));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, stringify([...entries, ...kept]), { mode: 0o600 });
  renameSync(draft, file);
}
