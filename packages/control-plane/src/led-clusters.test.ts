import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNamed } from './led-clusters.ts';

test('an annotation names a cluster by its id, or all of them', () => {
  assert.equal(isNamed(undefined, 'c1'), false);
  assert.equal(isNamed('', 'c1'), false);
  assert.equal(isNamed('c1', 'c1'), true);
  assert.equal(isNamed('c2,c1', 'c1'), true);
  assert.equal(isNamed('c10', 'c1'), false);
  assert.equal(isNamed('*', 'c1'), true);
});
