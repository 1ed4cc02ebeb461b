// Duplicate fields: found with their path in any JSON text, never invented.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { duplicateFields } from './duplicate-fields.ts';

test('duplicates are named once, with list places', () => {
  assert.deepEqual(duplicateFields('{"a":1,"a":2,"a":3,"b":[{"c":1},{"c":1,"c":{"d":1}}]}'), ['a', 'b[1].c']);
});

test('values that look like fields do not count', () => {
  assert.deepEqual(duplicateFields(String.raw`{"a":"\"a\":1","b":"a","c":["a","a"]}`), []);
});

test('serialised values have no duplicates', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(duplicateFields(JSON.stringify(value)), [])));
});
