import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaProblems } from './validate.ts';

const part = { type: 'object', properties: { n: { type: 'string' }, v: { type: 'integer', maximum: 5 } } };
const keyed = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'] };
const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['must'],
      properties: {
        a: { type: 'integer', maximum: 5 },
        b: { type: 'integer', maximum: 5 },
        keyed: { type: 'array', items: part, ...keyed },
        plain: { type: 'array', items: part },
      },
    },
  },
};
const fieldsOf = (spec: object, before?: object): string[] =>
  schemaProblems({ spec }, schema, before === undefined ? undefined : { spec: before }).map(({ field }) => field);

test('values that did not change are not held against an update', () => {
  const before = { a: 9, b: 9 };
  assert.deepEqual(fieldsOf({ a: 9, b: 9 }), ['spec.must', 'spec.a', 'spec.b']);
  assert.deepEqual(fieldsOf({ a: 9, b: 9 }, before), []);
  assert.deepEqual(fieldsOf({ a: 9, b: 8 }, before), ['spec.must', 'spec.b']);
});

test('elements are compared by key, in plain lists only as a whole', () => {
  const items = [
    { n: 'x', v: 9 },
    { n: 'y', v: 1 },
  ];
  const moved = [...items.toReversed(), { n: 'z', v: 1 }];
  assert.deepEqual(fieldsOf({ must: 1, keyed: moved }, { keyed: items }), []);
  assert.deepEqual(fieldsOf({ must: 1, plain: moved }, { plain: items }), ['spec.plain[1].v']);
  assert.deepEqual(fieldsOf({ must: 1, plain: items }, { plain: items }), []);
});
