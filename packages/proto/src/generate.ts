// In: every .proto under packages/proto/proto. Out: packages/proto/gen (JavaScript with declarations), made from scratch.
// Called by: the root script `gen`; run directly with `node src/generate.ts`. CI runs it and fails when git sees a difference.
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

/** Formats the .proto files and generates; buf works without network, since no module has dependencies. */
export function generate(packageDir: string): void {
  const buf = bufBinary();
  const fresh = mkdtempSync(join(packageDir, '.gen-'));
  try {
    execFileSync(buf, ['format', '-w', 'proto'], { cwd: packageDir, stdio: 'inherit' });
    execFileSync(buf, ['generate', '--output', fresh], { cwd: packageDir, stdio: 'inherit' });
    // Swapped in one step, so that a program started meanwhile never sees half of it.
    renameSync(join(packageDir, 'gen'), join(fresh, 'old'));
    renameSync(join(fresh, 'gen'), join(packageDir, 'gen'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (import.meta.main) generate(join(import.meta.dirname, '..'));
