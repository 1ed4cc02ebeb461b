import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { repositoryRoot } from '../commands/step.ts';
import { importedModules } from './import-scan.ts';
import { sourcesOf, textOf } from './workspace.ts';

/** Packages that decide and never act, with the modules of Node that they may use all the same. */
const purePackages: Readonly<Record<string, readonly string[]>> = {
  'packages/state': [],
  'packages/l7': [],
  'packages/model': ['node:crypto'],
  'packages/resources': [],
};

/** The deciding halves of the apps: they can be tested as a table, without a socket. */
const pureFiles = [
  'daemonset/node-proxy/src/outbound/route.ts',
  'daemonset/node-proxy/src/inbound/authorize.ts',
  'daemonset/node-agent/src/select/eligible.ts',
  'daemonset/node-agent/src/rules/plan.ts',
  'waypoint/src/hbone-in/dispatch.ts',
];

/** Modules of Node and of registries that act on the outside. */
const acting = (source: string, allowed: readonly string[]): readonly string[] =>
  importedModules(source).filter(
    (module) => (module.startsWith('node:') || module.startsWith('@kubernetes/')) && !allowed.includes(module),
  );

test('packages that decide import nothing that acts', () => {
  const findings = Object.entries(purePackages).flatMap(([folder, allowed]) =>
    sourcesOf(folder, { tests: false }).flatMap((file) =>
      acting(textOf(file), allowed).map((name) => `${file}: ${name}`),
    ),
  );
  assert.deepEqual(findings, []);
});

test('files that decide import nothing that acts', () => {
  assert.deepEqual(
    pureFiles.filter((file) => !existsSync(repositoryRoot + file)),
    [],
  );
  assert.deepEqual(
    pureFiles.flatMap((file) => acting(textOf(file), []).map((name) => `${file}: ${name}`)),
    [],
  );
});

test('a planted import is found', () => {
  assert.deepEqual(acting("import { connect } from 'node:net';\nimport { a } from './a.ts';", []), ['node:net']);
});
