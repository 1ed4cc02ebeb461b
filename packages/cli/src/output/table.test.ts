import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './table.ts';

const rows = [
  ['a-long-name', ''],
  ['b', 'True'],
];

test('columns are aligned with two spaces and empty cells show a dash', () => {
  assert.equal(table(['NAME', 'READY'], rows), 'NAME         READY\na-long-name  -\nb            True');
});

test('the header can be left out', () => {
  assert.equal(table(['NAME', 'READY'], rows, { noHeaders: true }), 'a-long-name  -\nb            True');
});

test('on a narrow terminal the widest column loses the middle of its cells', () => {
  const text = table(['NAME', 'READY'], [['productpage-v1-6f9c7d5b8-x2x4z', 'True']], { maxWidth: 24 });
  assert.deepEqual(text.split('\n'), ['NAME               READY', 'productp…b8-x2x4z  True']);
});
