import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeriesCache } from './series-cache.ts';

const make = (now: () => number = () => 0) => {
  const bound: string[] = [];
  const cache = createSeriesCache(
    (values: { peer: string }) => {
      bound.push(values.peer);
      return values.peer;
    },
    () => ({ peer: 'other' }),
    { maxSeries: 2, now },
  );
  return { bound, cache };
};

test('equal values are bound once', () => {
  const { bound, cache } = make();
  cache.get({ peer: 'a' });
  cache.get({ peer: 'a' });
  assert.deepEqual(bound, ['a']);
});

test('beyond the limit peers are counted together', () => {
  const { cache } = make();
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'a'].map((peer) => cache.get({ peer })),
    ['a', 'b', 'other', 'other', 'a'],
  );
});

test('idle series make room', () => {
  let at = 0;
  const { cache } = make(() => at);
  cache.get({ peer: 'a' });
  cache.get({ peer: 'b' });
  at = 700_000;
  assert.equal(cache.get({ peer: 'c' }), 'c');
  assert.equal(cache.size, 1);
});
