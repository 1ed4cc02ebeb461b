// In: a file of this package. Out: where it is, from sources and from emitted JavaScript. Called by version and help.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from './errors.ts';

/** Path of a file beside this package's manifest. Throws ERR_CLI_FILE when the package is not whole. */
export function packageFile(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (existsSync(join(folder, 'package.json'))) return join(folder, name);
    const parent = dirname(folder);
    if (parent === folder)
      throw new CliError('ERR_CLI_FILE', `${name} of this program is missing`, { hint: 'install it again' });
    folder = parent;
  }
}
