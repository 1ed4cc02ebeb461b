import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDemo } from '../fixtures/run-demo.ts';

test('the tour holds in netns mode, all ten steps', { timeout: 290_000 }, async () => {
  const { status, output, steps } = await runDemo('netns', 280_000);
  assert.deepEqual({ status, steps }, { status: 0, steps: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }, output);
});
