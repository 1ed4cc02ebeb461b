import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '@ambit/runtime/testing';
import { type PushBatch, type Pusher, createDebounce, createTurnQueue } from './push-queue.ts';

const change = (...names: string[]) => ({ names: new Set(names), forced: false });

test('changes wait for quiet and are merged', async () => {
  const clock = createFakeClock();
  const batches: PushBatch[] = [];
  let waited = 0;
  const onBatch = (batch: PushBatch, waitedMs: number): void => {
    batches.push(batch);
    waited = waitedMs;
  };
  const debounce = createDebounce({ clock, quietMs: 100, maxMs: 1000, onBatch });
  debounce.add('t', change('a'));
  await clock.advance(90);
  debounce.add('t', change('b'));
  debounce.add('t', { names: new Set(), forced: true });
  debounce.add('u', { names: 'all', forced: false });
  await clock.advance(90);
  assert.equal(batches.length, 0);
  await clock.advance(10);
  assert.deepEqual(batches[0]?.get('t'), { names: new Set(['a', 'b']), forced: true });
  assert.equal(batches[0]?.get('u')?.names, 'all');
  assert.equal(waited, 190);
  assert.equal(clock.pending, 0);
});

test('a change never waits longer than the maximum', async () => {
  const clock = createFakeClock();
  let pushes = 0;
  const debounce = createDebounce({ clock, quietMs: 100, maxMs: 500, onBatch: () => (pushes += 1) });
  for (let i = 0; i < 20; i += 1) {
    debounce.add('t', change(String(i)));
    await clock.advance(50);
  }
  assert.ok(pushes >= 1 && pushes <= 2, `${pushes} pushes in a second of steady change`);
  debounce.close();
  assert.equal(clock.pending, 0);
});

test('a lone change is handed over at once, a stream of them at the pace of the gap', async () => {
  const clock = createFakeClock();
  const batches: PushBatch[] = [];
  const debounce = createDebounce({ clock, quietMs: 100, maxMs: 1000, onBatch: (batch) => batches.push(batch) });
  const tell = (name: string): void => {
    debounce.add('t', change(name));
    debounce.flush(25);
  };
  tell('a');
  assert.equal(batches.length, 1);
  for (const name of ['b', 'c']) {
    await clock.advance(10);
    tell(name);
  }
  assert.equal(batches.length, 1);
  await clock.advance(5);
  assert.deepEqual(batches[1]?.get('t')?.names, new Set(['b', 'c']));
  await clock.advance(25);
  tell('d');
  assert.equal(batches.length, 3);
  assert.equal(clock.pending, 0);
});

test('pushers take turns in the order in which they asked', async () => {
  const queue = createTurnQueue();
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  const pusher = (name: string, turns: number): Pusher => {
    let left = turns;
    const self: Pusher = {
      pushTurn() {
        order.push(name);
        left -= 1;
        if (left > 0) queue.ask(self);
        if (order.length === 5) done.resolve();
      },
    };
    return self;
  };
  const greedy = pusher('a', 3);
  const left = pusher('x', 1);
  queue.ask(greedy);
  queue.ask(greedy);
  queue.ask(left);
  queue.ask(pusher('b', 2));
  queue.leave(left);
  await done.promise;
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a']);
});
