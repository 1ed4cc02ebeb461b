import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { podUpdateProblems } from './pod-changes.ts';

const podOf = (spec: JsonObject): JsonObject => ({
  spec: {
    containers: [{ name: 'c', image: 'a', env: [{ name: 'A', value: '1' }] }],
    tolerations: [{ key: 'k' }],
    ...spec,
  },
});
const fields = (after: JsonObject, before = podOf({})): string[] =>
  podUpdateProblems(after, before).map(({ field }) => field);

test('of a pod only images, deadline and further tolerations change, and it gets its node once', () => {
  assert.deepEqual(fields(podOf({})), []);
  assert.deepEqual(fields(podOf({ containers: [{ name: 'c', image: 'b', env: [{ name: 'A', value: '1' }] }] })), []);
  assert.deepEqual(fields(podOf({ activeDeadlineSeconds: 5, tolerations: [{ key: 'k' }, { key: 'l' }] })), []);
  assert.deepEqual(fields(podOf({ nodeName: 'n' })), []);
  assert.deepEqual(fields(podOf({ nodeName: 'm' }), podOf({ nodeName: 'n' })), ['spec']);
  assert.deepEqual(fields(podOf({ tolerations: [] })), ['spec']);
  assert.deepEqual(fields(podOf({ containers: [{ name: 'c', image: 'a', env: [] }] })), ['spec']);
  assert.deepEqual(fields(podOf({ nodeSelector: { a: 'b' } })), ['spec']);
});
