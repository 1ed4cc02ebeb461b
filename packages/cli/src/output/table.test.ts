import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './table.ts';

test('columns are aligned and empty cells show a dash', () => {
  assert.equal(
    table(
      ['NAME', 'READY'],
      [
        ['a-long-name', ''],
        ['b', 'True'],
      ],
    ),
    'NAME          READY\na-long-name   -\nb             True',
  );
});
