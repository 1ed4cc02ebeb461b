import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tablesOf } from './nftables.ts';

const table = (name: string): string => `table inet ${name} {\n\tchain c {\n\t}\n}`;

test('of a ruleset the named tables are kept, in the order of their names in the list, whatever the order of the kernel is', () => {
  const wanted = [table('b'), table('a')].join('\n');
  assert.equal(tablesOf([table('a'), table('foreign'), table('b')].join('\n'), ['b', 'a']), wanted);
  assert.equal(tablesOf([table('b'), table('ab'), table('a')].join('\n'), ['b', 'a']), wanted);
  assert.equal(tablesOf('', ['a']), '');
});

test('any text is read without throwing', () => {
  fc.assert(fc.property(fc.string(), (text) => typeof tablesOf(text, ['a', 'b']) === 'string'));
});
