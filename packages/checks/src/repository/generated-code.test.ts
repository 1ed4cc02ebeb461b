import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../commands/step.ts';
import { importSource } from '../reference/import-source.ts';

const packageDir = `${repositoryRoot}packages/proto`;

/** Files below a folder with their text. */
function contents(folder: string): Map<string, string> {
  const files = globSync('**/*.{js,ts}', { cwd: folder }).toSorted();
  return new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
}

/** Files that differ, or that only one side has. */
function differences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((file) => a.get(file) !== b.get(file));
}

test('the committed protobuf code is what the .proto files say; `npx -y pnpm@12 gen` writes it', async () => {
  const { generateInto } = (await importSource('packages/proto/src/generate.ts')) as {
    generateInto: (packageDir: string, output: string) => void;
  };
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-t-gen-'));
  try {
    generateInto(packageDir, scratch);
    const fresh = contents(join(scratch, 'gen'));
    assert.ok(fresh.size > 20, `only ${fresh.size} files were generated`);
    assert.deepEqual(differences(contents(join(packageDir, 'gen')), fresh), []);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test('a planted difference is found', () => {
  assert.deepEqual(
    differences(
      new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
      new Map([
        ['a', '2'],
        ['b', '1'],
        ['c', '1'],
      ]),
    ),
    ['a', 'c'],
  );
});
