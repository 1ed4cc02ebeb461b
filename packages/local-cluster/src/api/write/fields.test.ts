import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../resources/resource.ts';
import { ApiError } from '../status.ts';
import { cleanObject } from './fields.ts';

const custom = { kind: 'Widget', version: 'v1', custom: { openApi: { type: 'object' } } } as unknown as Resource;

const wrong: readonly (readonly [field: string, value: unknown])[] = [
  ['name', true],
  ['labels', { a: 1 }],
  ['annotations', { a: false }],
  ['finalizers', 'one'],
  ['ownerReferences', [{ apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 5 }]],
];

test('metadata of a custom kind is typed as that of every kind: YAML reads `name: y` as a truth value', () => {
  for (const [field, value] of wrong) {
    assert.throws(
      () => cleanObject({ metadata: { name: 'a', [field]: value } }, custom),
      (error) =>
        ApiError.is(error) &&
        error.status.code === 400 &&
        (error.status.message ?? '').startsWith('Widget in version "v1" cannot be handled as a Widget: json: cannot'),
      field,
    );
  }
  const { unknown } = cleanObject(
    { metadata: { name: 'a', labels: null, finalizers: [], creationTimestamp: null } },
    custom,
  );
  assert.deepEqual(unknown, []);
});
