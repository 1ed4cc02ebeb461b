import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeBatch, MAX_BATCH } from './change-batch.ts';

/** How many of a thousand changes are taken when each needs `costMs`. */
function takenAt(costMs: number): number {
  let now = 0;
  const taken: number[] = [];
  const waiting = Array.from({ length: 1_000 }, (_, index) => index);
  for (const change of changeBatch(waiting, taken, () => now)) {
    assert.equal(change, taken.at(-1));
    now += costMs;
  }
  return taken.length;
}

test('a turn takes many small changes, few large ones, and one of any size', () => {
  assert.equal(takenAt(0.001), MAX_BATCH);
  assert.equal(takenAt(2), 5);
  assert.equal(takenAt(1_000), 1);
});

test('what waits in an iterator and was not taken is there for the next turn', () => {
  const waiting = [1, 2, 3].values();
  const rest = { [Symbol.iterator]: () => ({ next: () => waiting.next() }) };
  let now = 0;
  const first: number[] = [];
  for (const _ of changeBatch(rest, first, () => now)) now += 6;
  const second: number[] = [];
  for (const _ of changeBatch(rest, second, () => now)) now += 6;
  assert.deepEqual([first, second], [[1, 2], [3]]);
});
