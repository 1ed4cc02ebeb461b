import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonPath } from './json-path.ts';

const value = { items: [{ name: 'a', labels: { 'x/y.z': '1' } }, { name: 'b' }], total: 2 };

test('paths, indices, stars and literals read as in kubectl', () => {
  assert.equal(jsonPath('{.items[*].name}', value), 'a b');
  assert.equal(jsonPath('{.items[0].name}{"\\n"}{.total}', value), 'a\n2');
  assert.equal(jsonPath('.items[1]', value), '{"name":"b"}');
  assert.equal(jsonPath("{.items[0].labels['x/y.z']}", value), '1');
  assert.equal(jsonPath('{.items[-1].name}', value), 'b');
  assert.equal(jsonPath('{.nothing.here}', value), '');
});

test('what is not supported is refused by name', () => {
  assert.throws(() => jsonPath('{.items[?(@.name=="a")]}', value), { code: 'ERR_CLI_INVALID' });
  assert.throws(() => jsonPath('{.items', value), { code: 'ERR_CLI_INVALID' });
});

test('a list that is a bare array is reached by .items, as in kubectl', () => {
  assert.equal(jsonPath('{.items[1].name}', [{ name: 'a' }, { name: 'b' }]), 'b');
  assert.equal(jsonPath('{[0].name}', [{ name: 'a' }]), 'a');
});
