import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { isAccepted, runtimeDependencies } from './runtime-dependencies.ts';
import { textOf } from './workspace.ts';

const accepted = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', '0BSD']);

/** Permissive licences outside the set, each with the package that brings it in. */
const exceptions: Readonly<Record<string, string>> = {
  argparse: 'PSF-2.0, through js-yaml of @kubernetes/client-node',
  'stream-buffers': 'Unlicense, through @kubernetes/client-node',
};

/** Most packages of a registry that a process brings along. Raising a number is a decision; its reason goes into the commit. */
const budgets: Readonly<Record<string, number>> = {
  'node-proxy': 45,
  waypoint: 47,
  'node-agent': 85,
  'control-plane': 120,
  'local-cluster': 125,
  cli: 120,
  bookinfo: 0,
};

const installed = runtimeDependencies();
const nameOf = (id: string): string => id.slice(0, id.lastIndexOf('@'));

test('every runtime dependency has a licence that we accept', () => {
  assert.ok(installed.length > 20, `only ${installed.length} packages were found`);
  assert.deepEqual(
    installed
      .filter(({ id, licence }) => !isAccepted(licence, accepted) && !Object.hasOwn(exceptions, nameOf(id)))
      .map(({ id, licence }) => `${id}: ${licence}`),
    [],
  );
});

test('every exception is still needed', () => {
  const used = new Set(installed.map(({ id }) => nameOf(id)));
  assert.deepEqual(
    Object.keys(exceptions).filter((name) => !used.has(name)),
    [],
  );
});

test('no process brings along more packages than its budget', (t) => {
  for (const [app, budget] of Object.entries(budgets)) {
    const brought = installed.filter(({ usedBy }) => usedBy.has(app)).length;
    t.diagnostic(`${app}: ${brought} packages of at most ${budget}`);
    assert.ok(brought <= budget, `${app} brings along ${brought} packages of a registry, the budget is ${budget}`);
  }
});

test('no package may run a script at its installation, and versions are at least three days old', () => {
  const workspace = parse(textOf('pnpm-workspace.yaml')) as Readonly<Record<string, unknown>>;
  const allowed = Object.entries(workspace['allowBuilds'] as Readonly<Record<string, unknown>>);
  assert.deepEqual(
    allowed.filter(([, may]) => may !== false),
    [],
  );
  assert.ok(Number(workspace['minimumReleaseAge']) >= 3 * 24 * 60);
  assert.equal(workspace['blockExoticSubdeps'], true);
});

test('every version of the catalog is exact', () => {
  const { catalog } = parse(textOf('pnpm-workspace.yaml')) as { catalog: Readonly<Record<string, string>> };
  assert.deepEqual(
    Object.entries(catalog).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
});

test('a planted licence is found', () => {
  assert.equal(isAccepted('(BSD-3-Clause OR GPL-2.0)', accepted), true);
  assert.equal(isAccepted('(Apache-2.0 AND GPL-2.0)', accepted), false);
  assert.equal(isAccepted('', accepted), false);
});
