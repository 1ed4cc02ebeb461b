import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesOf, textOf, workspacePackages } from './workspace.ts';

const sources = workspacePackages().flatMap(({ folder }) => sourcesOf(folder, { tests: false }));

/** Files whose text holds one of these, as `file: text`. */
const holding = (files: readonly string[], texts: readonly string[]): readonly string[] =>
  files.flatMap((file) => texts.filter((text) => textOf(file).includes(text)).map((text) => `${file}: ${text}`));

const forbiddenNames = ['utils.ts', 'util.ts', 'helpers.ts', 'common.ts', 'misc.ts'];

test('no file has a name that says nothing', () => {
  assert.deepEqual(
    sources.filter((file) => forbiddenNames.some((name) => file.endsWith(`/${name}`))),
    [],
  );
});

test('no listener is removed wholesale', () => {
  const own = sources.filter((file) => !file.startsWith('packages/checks/'));
  assert.deepEqual(holding(own, ['removeAllListeners(']), []);
});

test('no work is left as a note without a reason', () => {
  const own = sources.filter((file) => !file.startsWith('packages/checks/'));
  assert.deepEqual(holding(own, ['TODO:', 'FIXME', 'XXX:']), []);
});

test('TLS verification is never switched off outside the engine that hands certificates to our own verifier', () => {
  const elsewhere = sources.filter(
    (file) => !file.startsWith('packages/net/src/') && !file.startsWith('packages/checks/'),
  );
  assert.deepEqual(holding(elsewhere, ['rejectUnauthorized: false', 'NODE_TLS_REJECT_UNAUTHORIZED']), []);
});

test('a planted violation is found', () => {
  assert.equal(holding(['packages/checks/src/repository/source-rules.test.ts'], ['FIXME']).length, 1);
});
