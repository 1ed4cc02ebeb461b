// argv: the executable to write. Out: the CNI plugin as one file with Node inside, for hosts without Node. Run when the image is built:
// `node --conditions=@ambit/source daemonset/node-agent/src/install/build-plugin.ts <output>`. Size and speed: packages/docs/adr/0002.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePlugin } from './bundle-plugin.ts';

/** The plugin's modules, joined. */
export function readPlugin(): string {
  return bundlePlugin(fileURLToPath(new URL('../plugin/main.ts', import.meta.url)), {
    read: (path) => {
      const text = readFileSync(path, 'utf8');
      return path.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
    },
    resolve: (specifier, from) => {
      if (specifier.startsWith('node:')) return undefined;
      return specifier.startsWith('.')
        ? resolve(dirname(from), specifier)
        : fileURLToPath(import.meta.resolve(specifier));
    },
  });
}

/** Writes the executable with the Node that runs this. Throws what the build says. */
export function buildPlugin(output: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-plugin-'));
  try {
    writeFileSync(join(scratch, 'plugin.cjs'), readPlugin());
    const config = {
      main: join(scratch, 'plugin.cjs'),
      mainFormat: 'commonjs',
      output: resolve(output),
      disableExperimentalSEAWarning: true,
      useCodeCache: false,
      useSnapshot: false,
    };
    writeFileSync(join(scratch, 'sea.json'), JSON.stringify(config));
    execFileSync(process.execPath, [`--build-sea=${join(scratch, 'sea.json')}`], { stdio: 'pipe' });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [output] = process.argv.slice(2);
  if (output === undefined) {
    process.stderr.write('usage: build-plugin.ts <output>\n');
    process.exit(2);
  }
  buildPlugin(output);
}
