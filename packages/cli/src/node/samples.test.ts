import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from './samples.ts';

test('samples of exactly this name are added up, whatever their labels', () => {
  const text = '# TYPE a gauge\na{x="1"} 2\na{x="2"} 3\na_total 9\nab 1\n';
  assert.equal(sampleOf(text, 'a'), 5);
  assert.equal(sampleOf(text, 'c'), undefined);
});
