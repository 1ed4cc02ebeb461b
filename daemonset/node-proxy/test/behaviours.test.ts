// BEHAVIOURS.md names a test for each behaviour of the specification's section 13: the tests exist, and no heading is without one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const HEADINGS = 13;
const page = readFileSync(new URL('../BEHAVIOURS.md', import.meta.url), 'utf8');

/** `[file](path): ` and the name in backticks after it, without a regular expression. */
function namedTests(text: string): { readonly path: string; readonly name: string }[] {
  return text
    .split('](')
    .slice(1)
    .flatMap((part) => {
      const [path = '', rest = ''] = part.split('): `', 2);
      const name = rest.split('`')[0] ?? '';
      return name === '' ? [] : [{ path, name }];
    });
}

test('every test that is named exists in the file that is named', () => {
  const missing = namedTests(page).filter(
    ({ path, name }) =>
      !readFileSync(new URL(path, new URL('../BEHAVIOURS.md', import.meta.url)), 'utf8').includes(name),
  );
  assert.deepEqual(missing, []);
  assert.ok(namedTests(page).length > 100);
});

test('every heading of section 13 is there, and every behaviour has a test', () => {
  const sections = page.split('\n## 13.').slice(1);
  assert.deepEqual(
    sections.map((section) => Number(section.split(' ')[0])),
    Array.from({ length: HEADINGS }, (_, index) => index + 1),
  );
  for (const section of sections) {
    const rows = section
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| behaviour'));
    assert.ok(rows !== undefined && rows.length > 0, section.slice(0, 40));
    for (const row of rows) assert.ok(namedTests(row).length > 0, row);
  }
});
