import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesOf, textOf, workspacePackages } from '../repository/workspace.ts';
import { envRows, envTables } from './env-page.ts';
import { errorCodeUnions, mentionedCodes } from './error-codes.ts';
import { allErrorCodes } from './errors-page.ts';
import { referencePages } from './pages.ts';
import { cell } from './table-cell.ts';

const declared = allErrorCodes().flatMap(({ file, union }) => union.codes.map((code) => ({ ...code, file })));
const sources = workspacePackages()
  .filter(({ name }) => name !== 'checks')
  .flatMap(({ folder }) => sourcesOf(folder, { tests: false }));

test('every error code has a sentence', () => {
  assert.ok(declared.length > 80, `only ${declared.length} codes were found`);
  assert.deepEqual(
    declared.filter(({ sentence }) => !sentence.endsWith('.')).map(({ file, code }) => `${file}: ${code}`),
    [],
  );
});

test('no error code is declared twice', () => {
  const codes = declared.map(({ code }) => code);
  assert.deepEqual(
    codes.filter((code, index) => codes.indexOf(code) !== index),
    [],
  );
});

test('every error code is used beyond its declaration', () => {
  const uses = new Map<string, number>();
  for (const file of sources)
    for (const code of mentionedCodes(textOf(file))) uses.set(code, (uses.get(code) ?? 0) + 1);
  assert.deepEqual(
    declared.filter(({ code }) => (uses.get(code) ?? 0) < 2).map(({ file, code }) => `${file}: ${code}`),
    [],
  );
});

test('every environment variable has a sentence', async () => {
  for (const table of envTables) {
    const rows = await envRows(table);
    assert.ok(rows.length > 0, table.file);
    assert.deepEqual(
      rows.filter((row) => !row.doc.endsWith('.')).map((row) => `${table.file}: ${row.name}`),
      [],
    );
  }
});

test('the committed reference pages are what the sources say; `npx -y pnpm@12 gen` writes them', async () => {
  for (const page of await referencePages()) assert.equal(textOf(page.path), page.text, page.path);
});

test('unions are read with the sentences of their codes', () => {
  const source = `
/** Codes. */
export type PlantedErrorCode =
  /** First; with a semicolon. */
  | 'ERR_PLANTED_ONE'
  | 'ERR_PLANTED_TWO'
  /**
   * Over two
   * lines.
   */
  | 'ERR_PLANTED_THREE';
const other = 'ERR_PLANTED_FOUR';
export type OtherCode = 'a' | 'b';`;
  assert.deepEqual(errorCodeUnions(source), [
    {
      typeName: 'PlantedErrorCode',
      codes: [
        { code: 'ERR_PLANTED_ONE', sentence: 'First; with a semicolon.' },
        { code: 'ERR_PLANTED_TWO', sentence: '' },
        { code: 'ERR_PLANTED_THREE', sentence: 'Over two lines.' },
      ],
    },
  ]);
  assert.equal(mentionedCodes(source).length, 4);
  assert.equal(cell('a|<b>\nc'), 'a\\|&lt;b> c');
});
