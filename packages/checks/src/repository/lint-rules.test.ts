import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { repositoryRoot, tool } from '../commands/step.ts';

/** One violation per rule that the style depends on; the rule's name as the report writes it. */
const planted: Readonly<Record<string, string>> = {
  'no-floating-promises': "export const a = (): void => {\n  fetch('http://a.example');\n};\n",
  'no-misused-promises': 'export const b = (): void => [1].forEach(async () => fetch("http://b.example"));\n',
  'return-await':
    'export const c = async (): Promise<unknown> => {\n  try {\n    return fetch("http://c.example");\n  } catch {\n    return 1;\n  }\n};\n',
  'no-explicit-any': 'export const d = (value: any): unknown => value;\n',
  'no-console': 'export const e = (): void => console.log("e");\n',
  'no-process-env': 'export const f = (): unknown => process.env["F"];\n',
  'no-cycle': "import { h } from './h.ts';\nexport const g = (): unknown => h;\n",
};

test('every rule that the style depends on finds what is planted', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-t-lint-'));
  try {
    const compilerOptions = {
      target: 'ESNext',
      module: 'NodeNext',
      strict: true,
      allowImportingTsExtensions: true,
      noEmit: true,
    };
    writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    for (const [rule, source] of Object.entries(planted)) writeFileSync(join(root, `${rule}.ts`), source);
    writeFileSync(join(root, 'h.ts'), "import { g } from './no-cycle.ts';\nexport const h = (): unknown => g;\n");
    const lint = promisify(execFile)(tool('oxlint'), ['--type-aware', '-c', `${repositoryRoot}.oxlintrc.json`, '.'], {
      cwd: root,
      // The linter looks for its type-aware half on the path when there is no node_modules above its folder.
      env: { ...process.env, PATH: `${repositoryRoot}node_modules/.bin:${process.env['PATH'] ?? ''}` },
      timeout: 30_000,
    });
    const { stdout } = (await lint.catch((error: unknown) => error)) as { readonly stdout: string };
    assert.deepEqual(
      Object.keys(planted).filter((rule) => !stdout.includes(`${rule})`)),
      [],
      stdout,
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
