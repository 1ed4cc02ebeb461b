import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CronJob, Job } from './batch-objects.ts';
import { planCronJob, wallClock } from './cron-plan.ts';
import { firesAt, parseSchedule } from './cron-schedule.ts';

const at = (text: string): number => Date.parse(text);

function cronJobOf(spec: Partial<CronJob['spec']>, lastScheduleTime = '2026-01-01T00:00:00Z'): CronJob {
  const jobTemplate = { spec: { template: { spec: { containers: [{ name: 'c' }] } } } };
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'c', namespace: 'n', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { schedule: '*/5 * * * *', jobTemplate, ...spec },
    status: { lastScheduleTime },
  };
}

function jobOf(name: string, end: 'Complete' | 'Failed' | undefined, created = '2026-01-01T00:00:00Z'): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'n', uid: name, creationTimestamp: created },
    spec: { template: { spec: { containers: [] } } },
    status: end === undefined ? {} : { conditions: [{ type: end, status: 'True' }], completionTime: created },
  };
}

test('a run is due once per time of the schedule, the newest of those that were missed', () => {
  const due = (now: string, spec = {}, last?: string): number | undefined =>
    planCronJob(cronJobOf(spec, last), [], at(now)).dueMs;
  assert.equal(due('2026-01-01T00:04:59Z'), undefined);
  assert.equal(due('2026-01-01T00:05:20Z'), at('2026-01-01T00:05:00Z'));
  assert.equal(due('2026-01-01T00:05:20Z', {}, '2026-01-01T00:05:00Z'), undefined);
  assert.equal(due('2026-01-01T03:11:20Z'), at('2026-01-01T03:10:00Z'));
  assert.equal(due('2026-01-01T03:11:20Z', { startingDeadlineSeconds: 30 }), undefined);
  assert.equal(due('2026-01-01T03:11:20Z', { suspend: true }), undefined);
  const berlin = { schedule: '30 2 * * *', timeZone: 'Europe/Berlin' };
  assert.equal(due('2026-01-01T02:00:00Z', berlin), at('2026-01-01T01:30:00Z'));
});

test('the concurrency policy holds a run back or replaces the one that works', () => {
  const now = at('2026-01-01T00:05:20Z');
  const working = jobOf('w', undefined);
  const allowed = planCronJob(cronJobOf({}), [working], now);
  assert.deepEqual([allowed.dueMs !== undefined, allowed.remove, allowed.status?.active?.length], [true, [], 1]);
  const held = planCronJob(cronJobOf({ concurrencyPolicy: 'Forbid' }), [working], now);
  assert.deepEqual([held.dueMs, held.isHeldBack], [undefined, true]);
  const replaced = planCronJob(cronJobOf({ concurrencyPolicy: 'Replace' }), [working], now);
  assert.deepEqual([replaced.dueMs !== undefined, replaced.remove], [true, [working]]);
});

test('only the newest ended Jobs are kept', () => {
  const day = (number: number): string => `2026-01-0${number}T00:00:00Z`;
  const jobs = [4, 2, 3, 1].map((number) => jobOf(`ok-${number}`, 'Complete', day(number)));
  const failed = [2, 1].map((number) => jobOf(`bad-${number}`, 'Failed', day(number)));
  const plan = planCronJob(cronJobOf({ suspend: true }), [...jobs, ...failed], at(day(5)));
  assert.deepEqual(
    plan.remove.map(({ metadata }) => metadata.name),
    ['ok-1', 'bad-1'],
  );
  assert.equal(plan.status?.lastSuccessfulTime, day(4));
});

test('fields of schedules', () => {
  const fires = (schedule: string, time: string): boolean => {
    const parsed = parseSchedule(schedule);
    assert.notEqual(typeof parsed, 'string', schedule);
    const clock = wallClock(undefined);
    return clock !== undefined && typeof parsed !== 'string' && firesAt(parsed, clock(at(time)));
  };
  assert.ok(fires('15,45 8-18/2 * jan,MAR mon-fri', '2026-01-05T10:45:00Z'));
  assert.ok(!fires('15,45 8-18/2 * jan,MAR mon-fri', '2026-01-04T10:45:00Z'), 'a Sunday');
  assert.ok(!fires('15,45 8-18/2 * jan,MAR mon-fri', '2026-01-05T11:45:00Z'));
  assert.ok(fires('0 0 13 * fri', '2026-01-02T00:00:00Z'), 'either kind of day is enough');
  assert.ok(fires('20/15 * * * *', '2026-01-02T00:50:00Z'), 'a step without an end goes to the end');
  assert.ok(fires('@hourly', '2026-01-02T07:00:00Z'));
});

test('what is no schedule is told with its reason', () => {
  const cases: Record<string, string> = {
    '* * * *': 'expected exactly 5 fields, found 4: [* * * *]',
    '60 * * * *': 'end of range (60) above maximum (59): 60',
    '* * 0 * *': 'beginning of range (0) below minimum (1): 0',
    '5-2 * * * *': 'beginning of range (5) beyond end of range (2): 5-2',
    'x * * * *': 'failed to parse int from x',
    '*/0 * * * *': 'step of range should be a positive number: */0',
    '@sometimes': 'unrecognized descriptor: @sometimes',
    toString: 'expected exactly 5 fields, found 1: [toString]',
  };
  for (const [text, why] of Object.entries(cases)) assert.equal(parseSchedule(text), why);
  assert.equal(planCronJob(cronJobOf({ timeZone: 'Mars/Base' }), [], 0).problem, 'unknown time zone Mars/Base');
});

test('any text is a schedule or has a reason, and never more values than a field has', () => {
  const field = fc.string({ unit: fc.constantFrom(...Array.from('0123456789*/-,?monjan')), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(field, { minLength: 5, maxLength: 5 }).map((all) => all.join(' ')),
      ),
      (text) => {
        const parsed = parseSchedule(text);
        if (typeof parsed === 'string') assert.ok(parsed.length > 0);
        else assert.ok(parsed.minutes.size <= 60 && parsed.minutes.size > 0 && parsed.weekdays.size <= 7);
      },
    ),
  );
});
