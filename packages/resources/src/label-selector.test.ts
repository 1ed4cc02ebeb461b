import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesLabelSelector } from './label-selector.ts';

const labels = { app: 'a', tier: 'web' };

test('an empty selector matches everything', () => {
  assert.equal(matchesLabelSelector({}, labels), true);
  assert.equal(matchesLabelSelector({}, {}), true);
});

test('every label and every expression must hold', () => {
  const expression = (operator: string, key: string, values?: string[]): boolean =>
    matchesLabelSelector({ matchExpressions: [{ key, operator, ...(values && { values }) }] }, labels);
  assert.equal(matchesLabelSelector({ matchLabels: { app: 'a' } }, labels), true);
  assert.equal(matchesLabelSelector({ matchLabels: { app: 'a', tier: 'db' } }, labels), false);
  assert.equal(expression('In', 'app', ['a', 'b']), true);
  assert.equal(expression('In', 'app'), false);
  assert.equal(expression('NotIn', 'app', ['a']), false);
  assert.equal(expression('NotIn', 'zone', ['a']), true);
  assert.equal(expression('Exists', 'tier'), true);
  assert.equal(expression('Exists', 'zone'), false);
  assert.equal(expression('DoesNotExist', 'zone'), true);
  assert.equal(expression('DoesNotExist', 'tier'), false);
});

test('an unknown operator matches nothing', () => {
  assert.equal(matchesLabelSelector({ matchExpressions: [{ key: 'app', operator: 'Near' }] }, labels), false);
});

test('a label that only the prototype of objects has is not there', () => {
  const asked = (operator: string): boolean =>
    matchesLabelSelector({ matchExpressions: [{ key: 'constructor', operator }] }, {});
  assert.equal(asked('Exists'), false);
  assert.equal(asked('DoesNotExist'), true);
});
