import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installPlan } from './install.ts';

const named = (kind: string, name: string): { apiVersion: string; kind: string; metadata: { name: string } } => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
});

test('a plan creates what is not there and updates what is, definitions counted', () => {
  const [known, fresh, here, gone] = [
    named('CustomResourceDefinition', 'a'),
    named('CustomResourceDefinition', 'b'),
    named('ConfigMap', 'here'),
    named('ConfigMap', 'gone'),
  ];
  assert.deepEqual(installPlan([known, fresh, here, gone], new Set([known, here])), [
    { action: 'create', object: 'CustomResourceDefinition (1)' },
    { action: 'update', object: 'CustomResourceDefinition (1)' },
    { action: 'update', object: 'ConfigMap here' },
    { action: 'create', object: 'ConfigMap gone' },
  ]);
});
