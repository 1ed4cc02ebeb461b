// In: every .proto under packages/proto/proto. Out: packages/proto/gen (JavaScript with declarations), made from scratch.
// Called by: the root script `gen`; run directly with `node src/generate.ts`. A repository test calls `generateInto` and
// fails when the committed code differs.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where buf's binary is: in its platform package, since its install script (which links it) is not run. */
function bufBinary(): string {
  const fromHere = createRequire(import.meta.url);
  const fromBuf = createRequire(fromHere.resolve('@bufbuild/buf/package.json'));
  const platform = fromBuf.resolve(`@bufbuild/buf-${process.platform}-${process.arch}/package.json`);
  return join(dirname(platform), 'bin', process.platform === 'win32' ? 'buf.exe' : 'buf');
}

/** Generates into `<output>/gen` and leaves the package as it is. Needs no network, since no module has dependencies. */
export function generateInto(packageDir: string, output: string): void {
  execFileSync(bufBinary(), ['generate', '--output', output], { cwd: packageDir, stdio: 'inherit', timeout: 240_000 });
}

/** Formats the .proto files and generates the package's own code anew. */
export function generate(packageDir: string): void {
  const fresh = mkdtempSync(join(packageDir, '.gen-'));
  try {
    execFileSync(bufBinary(), ['format', '-w', 'proto'], { cwd: packageDir, stdio: 'inherit', timeout: 240_000 });
    generateInto(packageDir, fresh);
    // Swapped in one step, so that a program started meanwhile never sees half of it.
    renameSync(join(packageDir, 'gen'), join(fresh, 'old'));
    renameSync(join(fresh, 'gen'), join(packageDir, 'gen'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (import.meta.main) generate(join(import.meta.dirname, '..'));
