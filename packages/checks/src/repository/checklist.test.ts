import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { repositoryRoot } from '../commands/step.ts';
import { testTitles } from './test-titles.ts';
import { textOf } from './workspace.ts';

const document = 'daemonset/node-agent/CHECKLIST.md';

interface Row {
  readonly item: string;
  readonly file: string;
  readonly title: string;
}

/** Rows of the tables; a row without an item belongs to the item before. Code cells stand in backticks. */
function rowsOf(markdown: string): readonly Row[] {
  let item = '';
  return markdown.split('\n').flatMap((line) => {
    if (!line.startsWith('|')) return [];
    const cells = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    const [first = '', file = '', title = ''] = cells;
    if (file === 'file' || file.startsWith('---')) return [];
    if (first !== '') item = first;
    return [{ item, file: unquoted(file), title: unquoted(title) }];
  });
}

const unquoted = (cell: string): string => (cell.startsWith('`') && cell.endsWith('`') ? cell.slice(1, -1) : cell);

/** Files are named from the repository's root, those of the node agent from its sources. */
const pathOf = (file: string): string =>
  file.startsWith('test/') || file.startsWith('packages/') || file.startsWith('daemonset/')
    ? file
    : `daemonset/node-agent/src/${file}`;

/** What of a map leads nowhere. */
function findings(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(({ item, file, title }) => {
    const path = pathOf(file);
    if (!existsSync(repositoryRoot + path)) return [`${item}: no file ${path}`];
    return testTitles(textOf(path)).has(title) ? [] : [`${item}: ${path} has no test "${title}"`];
  });
}

const rows = rowsOf(textOf(document));

test("every test that the node agent's checklist names exists", () => {
  assert.ok(rows.length > 100, `${rows.length} rows were read`);
  assert.deepEqual(findings(rows), []);
});

test("the node agent's checklist has every gap of the register", () => {
  const named = new Set(rows.map(({ item }) => item.split(' ')[0]));
  const gaps = Array.from({ length: 30 }, (_, index) => `G${index + 1}`);
  assert.deepEqual(
    gaps.filter((gap) => !named.has(gap)),
    [],
  );
});

test('a planted row that leads nowhere is found, titles are read as they are written', () => {
  const planted = rowsOf(
    [
      '| item | file | test |',
      '|---|---|---|',
      '| G1 one | `netns/nowhere.test.ts` | `a` |',
      '| | `netns/find.test.ts` | `no such title` |',
    ].join('\n'),
  );
  assert.deepEqual(
    planted.map(({ item }) => item),
    ['G1 one', 'G1 one'],
  );
  assert.equal(findings(planted).length, 2);
  const source = [
    "test('it\\'s one', () => 0);",
    'test(\n  `${tool}: two`,\n  { skip },',
    '  await t.test("three", async () => 0);',
    'latest(four)',
  ].join('\n');
  assert.deepEqual([...testTitles(source)], ["it's one", '${tool}: two', 'three']);
});
