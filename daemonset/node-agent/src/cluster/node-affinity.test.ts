import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesNode, requiredTermsOf } from './node-affinity.ts';

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { zone: 'a', size: '8' } } };

test('each operator is judged as the scheduler does', () => {
  const cases: readonly (readonly [string, string, string[], boolean])[] = [
    ['zone', 'In', ['b', 'a'], true],
    ['zone', 'In', ['b'], false],
    ['none', 'In', ['b'], false],
    ['zone', 'NotIn', ['a'], false],
    ['none', 'NotIn', ['a'], true],
    ['zone', 'Exists', [], true],
    ['none', 'Exists', [], false],
    ['none', 'DoesNotExist', [], true],
    ['size', 'Gt', ['4'], true],
    ['size', 'Gt', ['8'], false],
    ['size', 'Lt', ['16'], true],
    ['none', 'Lt', ['16'], false],
    ['constructor', 'Exists', [], false],
    ['zone', 'Near', ['a'], false],
  ];
  for (const [key, operator, values, expected] of cases)
    assert.equal(
      matchesNode([{ matchExpressions: [{ key, operator, values }] }], node),
      expected,
      `${key} ${operator}`,
    );
});

test('one term must match as a whole, and an empty one matches no node', () => {
  const inA = { key: 'zone', operator: 'In', values: ['a'] };
  const inB = { key: 'zone', operator: 'In', values: ['b'] };
  const named = { key: 'metadata.name', operator: 'In', values: ['n1'] };
  assert.equal(matchesNode([{ matchExpressions: [inA, inB] }], node), false);
  assert.equal(
    matchesNode([{ matchExpressions: [inB] }, { matchExpressions: [inA], matchFields: [named] }], node),
    true,
  );
  assert.equal(matchesNode([{}], node), false);
});

test('a DaemonSet without required affinity has no terms', () => {
  const set = (spec: object) => ({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'd' }, spec });
  assert.equal(requiredTermsOf(set({ template: { spec: {} } })), undefined);
  const required = { nodeSelectorTerms: [{ matchExpressions: [] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
  assert.deepEqual(requiredTermsOf(set({ template: { spec: { affinity } } })), required.nodeSelectorTerms);
});
