import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { BackendSchema, OutlierSchema } from '@ambit/proto/waypoint';
import { createBreakers } from './breakers.ts';
import { COUNTS_BYTES } from './shared-counts.ts';
import { createOutlierDetector, type TryResult } from './outlier.ts';

const status = (code: number): TryResult => ({ kind: 'response', status: code });
const local: TryResult = { kind: 'local' };
const detectorOf = (init: MessageInitShape<typeof OutlierSchema>) => {
  const settings = create(OutlierSchema, { maxPercent: 100, ...init });
  const detector = createOutlierDetector();
  return {
    report: (result: TryResult, nowMs = 0, endpoint = 'a', total = 2) =>
      detector.report('b', settings, endpoint, result, total, nowMs),
    isEjected: (nowMs = 0, endpoint = 'a') => detector.isEjected('b', endpoint, nowMs),
  };
};

test('errors in a row eject for the base time, a success in between does not', () => {
  const { report, isEjected } = detectorOf({ consecutive5xx: 2 });
  for (const code of [500, 200, 500]) report(status(code));
  assert.equal(isEjected(), false);
  report(local);
  assert.equal(isEjected(29_999), true);
  assert.equal(isEjected(30_000), false);
});

test('gateway errors and local failures have limits of their own', () => {
  const gateway = detectorOf({ consecutiveGateway: 1 });
  gateway.report(status(500));
  assert.equal(gateway.isEjected(), false);
  gateway.report(status(503));
  assert.equal(gateway.isEjected(), true);
  const split = detectorOf({ consecutive5xx: 1, split: true, consecutiveLocal: 2 });
  split.report(local);
  assert.equal(split.isEjected(), false);
  split.report(local);
  assert.equal(split.isEjected(), true);
});

test('repeated ejections last longer, quiet intervals make them shorter again', () => {
  const { report, isEjected } = detectorOf({ consecutive5xx: 1 });
  report(status(500), 0);
  report(status(500), 30_000);
  assert.equal(isEjected(89_999), true);
  assert.equal(isEjected(90_000), false);
  report(status(500), 120_000);
  assert.equal(isEjected(149_999), true);
  assert.equal(isEjected(150_000), false);
});

test('not more than the allowed share is ejected: ten percent of few endpoints is none', () => {
  const few = detectorOf({ consecutive5xx: 1, maxPercent: 0 });
  few.report(status(500), 0, 'a', 9);
  assert.equal(few.isEjected(), false);
  few.report(status(500), 0, 'a', 10);
  assert.equal(few.isEjected(), true);
  few.report(status(500), 0, 'b', 10);
  assert.equal(few.isEjected(0, 'b'), false);
});

test('the verdict of one thread holds in the others', () => {
  const detector = createOutlierDetector();
  const settings = create(OutlierSchema, { consecutive5xx: 1, maxPercent: 100 });
  const forMs = detector.report('b', settings, 'a', status(500), 2, 0);
  assert.equal(forMs, 30_000);
  const other = createOutlierDetector();
  other.eject('b', 'a', 30_000, 5);
  other.eject('b', 'a', 30_000, 5);
  assert.equal(other.isEjected('b', 'a', 30_004), true);
  assert.equal(other.isEjected('b', 'a', 30_005), false);
  assert.equal(other.report('b', settings, 'a', status(500), 2, 31_000), 60_000, 'it counts as an ejection');
});

test('breakers give as many places as the limit, whichever thread asks', () => {
  const memory = new SharedArrayBuffer(COUNTS_BYTES);
  const other = createBreakers(memory);
  const backend = create(BackendSchema, { hostname: 'h', pool: { maxRequests: 2, maxRetries: 1 } });
  const breakers = createBreakers(memory);
  const first = breakers.enter(backend, 'request');
  assert.ok(first && other.enter(backend, 'request'));
  assert.equal(breakers.enter(backend, 'request'), undefined);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(breakers.enter(backend, 'request'));
  assert.equal(breakers.enter(backend, 'request'), undefined);
  assert.ok(breakers.enter(backend, 'retry'));
  assert.equal(breakers.enter(backend, 'retry'), undefined);
  assert.ok(breakers.enter(backend, 'connection'), 'without a limit there is always room');
  assert.ok(breakers.enter(undefined, 'request'));
});

test('a retry budget is a part of the requests in work, but never less than its minimum', () => {
  const backend = create(BackendSchema, { hostname: 'h', retryBudget: { percent: 50, minConcurrency: 1 } });
  const breakers = createBreakers(new ArrayBuffer(COUNTS_BYTES));
  assert.ok(breakers.enter(backend, 'retry'));
  assert.equal(breakers.enter(backend, 'retry'), undefined);
  for (let index = 0; index < 4; index++) breakers.enter(backend, 'request');
  assert.ok(breakers.enter(backend, 'retry'));
  assert.equal(breakers.enter(backend, 'retry'), undefined);
});
