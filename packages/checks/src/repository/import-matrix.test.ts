import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayImport } from './import-matrix.ts';
import { importedModules, ownPackage } from './import-scan.ts';
import { sourcesOf, textOf, workspacePackages } from './workspace.ts';

const packages = workspacePackages();

/** Every edge of a package that the matrix forbids, as readable lines. */
function forbidden(name: string, targets: readonly string[]): readonly string[] {
  const allowed = mayImport[name];
  if (allowed === undefined) return [`${name} is not in the import matrix`];
  return targets
    .filter((target) => target !== name && target !== 'tsconfig' && !allowed.includes(target))
    .map((target) => `${name} must not import ${target}`);
}

test('every manifest depends only on packages that the import matrix allows', () => {
  const findings = packages.flatMap(({ name, manifest }) => {
    const targets = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).flatMap(
      (key) => ownPackage(key) ?? [],
    );
    return forbidden(name, targets);
  });
  assert.deepEqual(findings, []);
});

test('every source file imports only packages that the import matrix allows', () => {
  const findings = packages.flatMap(({ name, folder }) =>
    sourcesOf(folder, { tests: false }).flatMap((file) =>
      forbidden(
        name,
        importedModules(textOf(file)).flatMap((module) => ownPackage(module) ?? []),
      ).map((line) => `${file}: ${line}`),
    ),
  );
  assert.deepEqual(findings, []);
});

test('koffi is imported in packages/net/src/native only', () => {
  const findings = packages.flatMap(({ folder }) =>
    sourcesOf(folder, { tests: true }).filter(
      (file) => !file.startsWith('packages/net/src/native/') && importedModules(textOf(file)).includes('koffi'),
    ),
  );
  assert.deepEqual(findings, []);
});

test('no relative import leaves its package', () => {
  const findings = packages.flatMap(({ folder }) =>
    sourcesOf(folder, { tests: true }).flatMap((file) => {
      const depth = file.split('/').length - folder.split('/').length - 1;
      return importedModules(textOf(file))
        .filter((module) => module.startsWith('../') && module.split('../').length - 1 > depth)
        .map((module) => `${file}: ${module}`);
    }),
  );
  assert.deepEqual(findings, []);
});

test('a planted violation is found', () => {
  assert.deepEqual(forbidden('xds', ['proto', 'state']), ['xds must not import state']);
  assert.deepEqual(importedModules("import { a } from '@ambit/state';\nconst b = await import('elsewhere');"), [
    '@ambit/state',
    'elsewhere',
  ]);
});
