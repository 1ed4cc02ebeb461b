import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declaredMetrics } from './metric-declarations.ts';

const source = `
const PEERS = ['reporter', 'peer'] as const;
const ALL = [...PEERS, 'code'] as const;
registry.counter({ name: 'a_total', help: 'A.', labels: ['x'] });
registry
  .gauge({ name: 'b', help: "B's.", collect })
registry.histogram({
    name: 'c_ms',
    help: 'C.',
    labels: ALL,
    buckets,
});
const declare = (name: string, help: string): Counter =>
  registry.counter({ name, help, labels: PEERS });
declare('d_total', 'D.');
const declare = (name: string, help: string) => registry.counter({ name, help });
declare(
  'e_total',
  'E.',
);`;

test('a declaration is read with its kind, its help and the labels that its constants stand for', () => {
  const read = declaredMetrics(source).map(({ name, kind, help, labels }) => [name, kind, help, labels.join()]);
  assert.deepEqual(read, [
    ['a_total', 'counter', 'A.', 'x'],
    ['b', 'gauge', "B's.", ''],
    ['c_ms', 'histogram', 'C.', 'reporter,peer,code'],
    ['d_total', 'counter', 'D.', 'reporter,peer'],
    ['e_total', 'counter', 'E.', ''],
  ]);
});
