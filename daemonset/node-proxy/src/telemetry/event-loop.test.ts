import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { test } from 'node:test';
import { measureEventLoop } from './event-loop.ts';

test('a loop that was kept busy says so, for how long, and only once', async () => {
  using loop = measureEventLoop();
  await after(1);
  const untilMs = performance.now() + 400;
  while (performance.now() < untilMs);
  let longest = 0;
  let busy = 0;
  while (longest === 0) {
    await after(10);
    const sample = loop.take();
    longest = sample.longestLagSeconds;
    busy += sample.busySeconds;
  }
  assert.ok(longest >= 0.29, `${longest} s late`);
  assert.ok(busy >= 0.39, `${busy} s busy`);
  assert.ok(loop.take().longestLagSeconds < longest);
});
