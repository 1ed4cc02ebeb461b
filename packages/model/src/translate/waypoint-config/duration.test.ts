import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationMs, goDurationMs } from './duration.ts';

test('durations of the Gateway API have whole parts', () => {
  assert.equal(durationMs('1m2s3ms'), 62_003);
  assert.equal(durationMs('1.5s'), undefined);
});

test('durations of Istio objects may have fractions', () => {
  assert.equal(goDurationMs('1.5s'), 1500);
  assert.equal(goDurationMs('2m30s'), 150_000);
  assert.equal(goDurationMs('0'), 0);
  assert.equal(goDurationMs('-1s'), undefined);
  assert.equal(goDurationMs('1'), undefined);
});

test('any text gives a duration or nothing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const ms of [durationMs(text), goDurationMs(text)]) assert.ok(ms === undefined || ms >= 0);
    }),
  );
});
