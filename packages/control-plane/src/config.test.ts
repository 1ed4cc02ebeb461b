import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

test('how many streams are let in depends on the processors unless a number is set', () => {
  const limits = (value?: string): number[] =>
    [1, 2, 4, 17, 64].map(
      (processors) => readConfig({ PILOT_MAX_REQUESTS_PER_SECOND: value }, [], processors).streamsPerSecond,
    );
  assert.deepEqual(limits(), [20, 25, 35, 100, 100]);
  assert.deepEqual(limits('0'), limits());
  assert.deepEqual(limits('500'), [500, 500, 500, 500, 500]);
});
