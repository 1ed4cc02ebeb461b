import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cancellation, offCancelled, onCancelled } from './cancellation.ts';

const reason = new Error('why');

test('each listener hears of the end once, in order, and the first reason counts', () => {
  const cancellation = new Cancellation();
  const heard: string[] = [];
  onCancelled(cancellation, () => heard.push('first'));
  onCancelled(cancellation, () => heard.push('second'));
  cancellation.abort(reason);
  cancellation.abort(new Error('late'));
  assert.deepEqual(heard, ['first', 'second']);
  assert.equal(cancellation.reason, reason);
  assert.throws(() => cancellation.throwIfAborted(), reason);
});

for (const [name, make] of [
  ['a cancellation', () => new Cancellation()],
  [
    'an abort signal',
    () => {
      const controller = new AbortController();
      return Object.assign(controller.signal, { abort: (why: Error) => controller.abort(why) });
    },
  ],
] as const) {
  test(`${name} tells nobody who left, and tells who comes late, but not at once`, async () => {
    const signal = make();
    const heard: string[] = [];
    const left = (): void => void heard.push('left');
    onCancelled(signal, left);
    offCancelled(signal, left);
    signal.abort(reason);
    onCancelled(signal, () => heard.push('late'));
    assert.deepEqual(heard, []);
    await Promise.resolve();
    assert.deepEqual(heard, ['late']);
  });
}
