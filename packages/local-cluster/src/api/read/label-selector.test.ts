// Label selectors: the operators, missing keys, refusals, and that no text crashes the parser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../status.ts';
import { labelSelectorOf, parseLabelSelector } from './label-selector.ts';

const fits = (selector: string, labels?: Record<string, string>): boolean => parseLabelSelector(selector)(labels);

test('operators select as documented', () => {
  const labels = { app: 'web', tier: '2' };
  for (const selector of [
    'app=web',
    'app==web',
    'app!=db',
    'app in (web, db)',
    'app notin (db)',
    'app',
    '!other',
    'tier>1',
    'tier<3',
    'app=web,tier',
  ]) {
    assert.equal(fits(selector, labels), true, selector);
  }
  for (const selector of ['app=db', 'app!=web', 'app in (db)', 'app notin (web)', 'other', '!app', 'tier>2']) {
    assert.equal(fits(selector, labels), false, selector);
  }
});

test('negative operators match a missing key', () => {
  assert.equal(fits('app!=x', {}), true);
  assert.equal(fits('app notin (x)', undefined), true);
});

test('bad selectors are refused with 400', () => {
  for (const selector of ['=x', 'app in x', 'app=x,', 'a b', 'app=-x-', 'tier>x']) {
    assert.throws(
      () => parseLabelSelector(selector),
      (error) => ApiError.is(error) && error.code === 400,
      selector,
    );
  }
});

test('any text is a selector or a 400', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', '=', '!', ',', '(', ')', ' ', 'in', 'notin', '<', '>') }),
      (text) => {
        try {
          parseLabelSelector(text)({ a: 'b' });
        } catch (error) {
          assert.ok(ApiError.is(error));
        }
      },
    ),
  );
});

test('an empty selector object selects everything, a missing one nothing', () => {
  assert.equal(labelSelectorOf({})({}), true);
  assert.equal(labelSelectorOf(undefined)({}), false);
});
