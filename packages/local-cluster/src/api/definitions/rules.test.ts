import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleDeclarationProblems } from './rule-declarations.ts';
import { ruleProblems } from './rules.ts';

const spec = (part: object, rules: readonly object[] = []): { type: string; properties: object } => ({
  type: 'object',
  properties: { spec: { type: 'object', properties: part, 'x-kubernetes-validations': rules } },
});
const textOf = (schema: object, object: object, before?: object): string[] =>
  ruleProblems(object as never, before as never, schema as never, []).map(
    ({ field, message }) => `${field}: ${message}`,
  );

test('a rule of the whole object has no field', () => {
  const schema = { type: 'object', 'x-kubernetes-validations': [{ rule: "self.metadata.name == 'a'", message: 'no' }] };
  assert.deepEqual(textOf(schema, { metadata: { name: 'b', labels: {} } }), ['<nil>: Invalid value: no']);
});

test('a refused value that did not change is let through', () => {
  const schema = spec({
    a: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 5' }] },
    b: { type: 'integer' },
  });
  const before = { spec: { a: 1, b: 1 } };
  assert.deepEqual(textOf(schema, { spec: { a: 1, b: 2 } }, before), []);
  assert.deepEqual(textOf(schema, { spec: { a: 2, b: 2 } }, before), [
    'spec.a: Invalid value: 2: failed rule: self > 5',
  ]);
});

test('elements of plain lists have no predecessor, keyed ones do', () => {
  const items = { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } };
  const rules = [{ rule: 'self.v >= oldSelf.v', message: 'may not shrink' }];
  const keyed = spec({
    l: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
      items: { ...items, 'x-kubernetes-validations': rules },
    },
  });
  const before = {
    spec: {
      l: [
        { k: 'a', v: 1 },
        { k: 'b', v: 9 },
      ],
    },
  };
  assert.deepEqual(
    textOf(
      keyed,
      {
        spec: {
          l: [
            { k: 'b', v: 5 },
            { k: 'c', v: 0 },
          ],
        },
      },
      before,
    ),
    ['spec.l[0]: Invalid value: may not shrink'],
  );
});

test('unsound objects are not handed to rules', () => {
  const schema = spec({}, [{ rule: 'false' }]);
  const found = [{ reason: 'FieldValueTypeInvalid', field: 'spec', message: 'x' }];
  const [problem] = ruleProblems({ spec: {} }, undefined, schema as never, found as never);
  assert.match(problem?.message ?? '', /were not checked/);
});

test('declarations are checked', () => {
  const rules = [
    { rule: '' },
    { rule: 'self.' },
    { rule: 'self == oldSelf' },
    { rule: 'true', message: 'a\nb' },
    { rule: 'true', fieldPath: '.nope' },
    { rule: 'true', reason: 'Other' },
  ];
  const problems = ruleDeclarationProblems({ 'x-kubernetes-validations': rules }, 's', 's.up');
  assert.deepEqual(
    problems.map(({ field }) => field.slice('s.x-kubernetes-validations'.length)),
    ['[0].rule', '[1].rule', '[2].rule', '[3].message', '[4].fieldPath', '[5].reason'],
  );
});
