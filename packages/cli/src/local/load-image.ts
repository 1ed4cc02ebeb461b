// `ambit local load-image`. In: an image's name and what runs in its place. Out: an entry of the cluster's image map. Called by command.ts.
import { resolve } from 'node:path';
import type { CliConfig } from '../config.ts';
import { CliError } from '../errors.ts';
import { withPaths } from './cluster-file.ts';
import { addImages } from './image-map.ts';
import { clusterDirectory } from './state-folder.ts';

/** Flags of the command. */
export interface LoadImageFlags {
  readonly name: string;
  /** `/inside=./outside`, repeatable. */
  readonly files: readonly string[];
  /** `NAME=value`, repeatable. */
  readonly env: readonly string[];
}

/** `a=b` split at the first `=`. Throws ERR_CLI_INVALID without one. */
function pairOf(word: string, flag: string): readonly [string, string] {
  const at = word.indexOf('=');
  if (at < 1) throw new CliError('ERR_CLI_INVALID', `${flag} takes <name>=<value>, not "${word}"`);
  return [word.slice(0, at), word.slice(at + 1)];
}

/** Writes the entry and says what it does; running pods take it at their next start. */
export function loadImage(config: CliConfig, image: string, command: readonly string[], flags: LoadImageFlags): void {
  const files = Object.fromEntries(flags.files.map((word) => pairOf(word, '--files')));
  const env = Object.fromEntries(flags.env.map((word) => pairOf(word, '--env')));
  const entry = {
    match: image,
    command: [...command],
    ...(flags.files.length > 0 && { files }),
    ...(flags.env.length > 0 && { env }),
  };
  addImages(clusterDirectory(config.localDirectory, flags.name), [withPaths(entry, resolve('.'))]);
  process.stdout.write(`image ${image} runs ${command.join(' ')}\n`);
}
