import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import { repositoryRoot } from '../commands/step.ts';
import { exportProblems } from './exports.ts';
import { textOf, workspacePackages } from './workspace.ts';

test('everything that a package exports is there, as source and under the name it is built to', () => {
  const findings = workspacePackages().flatMap(({ folder, manifest }) => {
    const exists = (path: string): boolean => globSync(`${folder}/${path}`, { cwd: repositoryRoot }).length > 0;
    return exportProblems(manifest.exports ?? {}, exists).map((problem) => `${folder}: ${problem}`);
  });
  assert.deepEqual(findings, []);
});

test('every dependency is pinned by the catalog or is a package of ours', () => {
  const findings = workspacePackages().flatMap(({ folder, manifest }) =>
    Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
      .filter(([, version]) => version !== 'catalog:' && version !== 'workspace:*')
      .map(([name, version]) => `${folder}: ${name} ${version}`),
  );
  assert.deepEqual(findings, []);
});

test('the README of the root is read in a minute', () => {
  assert.ok(textOf('README.md').split('\n').length < 80);
});

test('a planted export without a file, and one built elsewhere, are found', () => {
  const exists = (path: string): boolean => path === './src/index.ts';
  assert.deepEqual(
    exportProblems({ '.': { '@ambit/source': './src/index.ts', default: './dist/src/index.js' } }, exists),
    [],
  );
  assert.deepEqual(exportProblems({ './a': { '@ambit/source': './src/a.ts', default: './dist/src/b.js' } }, exists), [
    './a: no file ./src/a.ts',
    './a: ./src/a.ts is built to ./dist/src/a.js, not ./dist/src/b.js',
  ]);
});
