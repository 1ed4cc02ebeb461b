import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'node:test';
import { Turns } from './turns.ts';

test('of a thousand requests in one read a few start in each turn, in their order, and all of them start', async () => {
  const turns = new Turns();
  const started: number[] = [];
  const all = Array.from({ length: 1000 }, async (_, index) => turns.take().then(() => started.push(index)));
  await Promise.resolve();
  await Promise.resolve();
  assert.ok(started.length > 0 && started.length <= 32, `${started.length} started in the first turn`);
  await nextTurn();
  assert.ok(started.length <= 64, `${started.length} started in two turns`);
  await Promise.all(all);
  assert.deepEqual(
    started,
    Array.from({ length: 1000 }, (_, index) => index),
  );
});
