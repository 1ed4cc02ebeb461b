// In: names of files and folders. Out: their texts. Called by run.ts and validate.ts.
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.ts';

/** A file with its text. */
export interface TextFile {
  readonly name: string;
  readonly text: string;
}

const extensions = '{yaml,yml,json}';

function textOf(name: string): TextFile {
  try {
    return { name, text: readFileSync(name === '-' ? 0 : name, 'utf8') };
  } catch (cause) {
    throw new CliError('ERR_CLI_FILE', `file ${name} cannot be read`, { cause });
  }
}

function isFolder(name: string): boolean {
  try {
    return name !== '-' && statSync(name).isDirectory();
  } catch {
    return false;
  }
}

/** Reads files; of a folder its YAML and JSON files, with those of folders below when asked. Throws ERR_CLI_FILE. */
export function readTexts(names: readonly string[], isRecursive: boolean): readonly TextFile[] {
  return names.flatMap((name) =>
    isFolder(name)
      ? globSync(`${isRecursive ? '**/' : ''}*.${extensions}`, { cwd: name })
          .toSorted()
          .map((file) => textOf(join(name, file)))
      : [textOf(name)],
  );
}
