import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../commands/step.ts';
import { linkedFiles } from './markdown-links.ts';
import { textOf } from './workspace.ts';

const documents = globSync('**/*.md', {
  cwd: repositoryRoot,
  exclude: ['**/node_modules/**', '**/dist/**'],
}).toSorted();

test('every link to a file leads somewhere', () => {
  const findings = documents.flatMap((file) =>
    linkedFiles(textOf(file))
      .filter((target) => !existsSync(join(repositoryRoot, dirname(file), target)))
      .map((target) => `${file}: ${target}`),
  );
  assert.deepEqual(findings, []);
});

test('every decision has a number of its own', () => {
  const numbers = globSync('packages/docs/adr/*.md', { cwd: repositoryRoot }).map((file) =>
    file.split('/').at(-1)?.slice(0, 4),
  );
  assert.deepEqual(
    numbers.filter((number, index) => numbers.indexOf(number) !== index),
    [],
  );
});

test('links are found outside of code', () => {
  assert.deepEqual(linkedFiles('[a](b.md#c) [d](https://e.example/) [f](#g)\n```\n[h](i.md)\n```\n[j](k/)'), [
    'b.md',
    'k/',
  ]);
});
