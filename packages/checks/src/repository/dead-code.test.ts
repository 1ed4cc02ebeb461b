import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { repositoryRoot, tool } from '../commands/step.ts';

/** A workspace of one package with a dead file and a dead export. */
function plant(root: string): void {
  const folder = join(root, 'packages/planted/src');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ name: 'planted', private: true, workspaces: ['packages/*'] }),
  );
  writeFileSync(
    join(root, 'packages/planted/package.json'),
    JSON.stringify({ name: '@planted/planted', type: 'module', exports: { '.': './src/index.ts' } }),
  );
  writeFileSync(join(folder, 'index.ts'), "export { alive } from './alive.ts';\n");
  writeFileSync(join(folder, 'alive.ts'), 'export const alive = 1;\nexport const deadExport = 2;\n');
  writeFileSync(join(folder, 'dead-file.ts'), 'export const nobody = 3;\n');
}

test('a planted dead file and a planted dead export are found with the settings that `ok` uses', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-t-dead-code-'));
  try {
    plant(root);
    const config = `${repositoryRoot}packages/checks/knip.json`;
    const run = promisify(execFile)(tool('knip'), ['--no-progress', '--no-config-hints', '--config', config], {
      cwd: root,
      timeout: 30_000,
    });
    const failure = (await run.catch((error: unknown) => error)) as { readonly code?: number; readonly stdout: string };
    assert.equal(failure.code, 1, failure.stdout);
    assert.match(failure.stdout, /dead-file\.ts/);
    assert.match(failure.stdout, /deadExport/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
