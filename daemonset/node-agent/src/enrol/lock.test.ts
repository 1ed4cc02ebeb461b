import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedLock } from './lock.ts';

test('work of one key runs in order, also after a failure; other keys do not wait', async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run('a', async () => {
    await gate.promise;
    order.push('a1');
    throw new Error('refused');
  });
  const second = lock.run('a', async () => void order.push('a2'));
  await lock.run('b', async () => void order.push('b1'));
  gate.resolve();
  await assert.rejects(first, /refused/);
  await second;
  assert.deepEqual(order, ['b1', 'a1', 'a2']);
});
