import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobSpec } from './batch-objects.ts';
import { COMPLETION_INDEX, intervals, planJob } from './job-plan.ts';
import type { Pod } from './objects.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function jobOf(spec: Partial<JobSpec>, status: Job['status'] = {}): Job {
  const template = { spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' } };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j', namespace: 'n' },
    spec: { completions: 1, parallelism: 1, backoffLimit: 6, template, ...spec },
    status,
  };
}

let made = 0;
function podOf(phase: string, { exitCode = 0, endMs = start, index = -1, restarts = 0 } = {}): Pod {
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const state = ended
    ? { terminated: { exitCode, reason: 'x', startedAt: iso(start), finishedAt: iso(endMs) } }
    : { running: { startedAt: iso(start) } };
  const status = { name: 'c', image: '', imageID: '', ready: !ended, restartCount: restarts, state, lastState: {} };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `p${(made += 1)}`,
      namespace: 'n',
      ...(index < 0 ? {} : { annotations: { [COMPLETION_INDEX]: String(index) } }),
    },
    spec: { containers: [{ name: 'c' }] },
    status: { phase, containerStatuses: [status] },
  };
}

test('a pod that failed is made again after a pause that doubles', () => {
  const job = jobOf({});
  assert.deepEqual(planJob(job, [], start).create, [undefined]);
  const once = planJob(job, [podOf('Failed', { exitCode: 1 })], start + 2000);
  assert.deepEqual([once.create, once.requeueAfterMs], [[], 8000]);
  const twice = planJob(job, [podOf('Failed'), podOf('Failed', { endMs: start + 11_000 })], start + 11_000);
  assert.deepEqual([twice.create, twice.requeueAfterMs], [[], 20_000]);
  assert.deepEqual(planJob(job, [podOf('Failed')], start + 10_000).create, [undefined]);
});

test('too many failures end the Job, restarts count where pods restart', () => {
  const never = planJob(jobOf({ backoffLimit: 1 }), [podOf('Failed'), podOf('Failed')], start);
  assert.deepEqual(
    never.status.conditions?.map(({ type, reason }) => [type, reason]),
    [
      ['FailureTarget', 'BackoffLimitExceeded'],
      ['Failed', 'BackoffLimitExceeded'],
    ],
  );
  const template = { spec: { containers: [{ name: 'c' }], restartPolicy: 'OnFailure' } };
  const onFailure = jobOf({ backoffLimit: 2, template });
  assert.equal(planJob(onFailure, [podOf('Running', { restarts: 1 })], start).verdict, undefined);
  const ended = planJob(onFailure, [podOf('Running', { restarts: 2 })], start);
  assert.equal(ended.verdict?.reason, 'BackoffLimitExceeded');
  assert.equal(ended.remove.length, 1);
});

test('an indexed Job gives every completion its number', () => {
  const job = jobOf({ completionMode: 'Indexed', completions: 4, parallelism: 2 });
  assert.deepEqual(planJob(job, [], start).create, [0, 1]);
  const pods = [podOf('Succeeded', { index: 0 }), podOf('Running', { index: 1 })];
  const plan = planJob(job, pods, start);
  assert.deepEqual([plan.create, plan.status.completedIndexes, plan.status.succeeded], [[2], '0', 1]);
  const all = [0, 1, 2, 3, 3].map((index) => podOf('Succeeded', { index }));
  const done = planJob(job, all, start);
  assert.deepEqual([done.status.completedIndexes, done.status.succeeded], ['0-3', 4]);
  assert.deepEqual(
    done.status.conditions?.map(({ type }) => type),
    ['SuccessCriteriaMet', 'Complete'],
  );
});

test('a suspended Job has no pods and says so, a resumed one starts its clock anew', () => {
  const suspended = planJob(jobOf({ suspend: true }, { startTime: iso(start) }), [podOf('Running')], start);
  assert.deepEqual([suspended.remove.length, suspended.create, suspended.status.startTime], [1, [], null]);
  assert.deepEqual(
    suspended.status.conditions?.map(({ type, status }) => [type, status]),
    [['Suspended', 'True']],
  );
  const before = { conditions: suspended.status.conditions ?? [] };
  const resumed = planJob(jobOf({ suspend: false }, before), [], start + 5000);
  assert.deepEqual([resumed.create, resumed.status.startTime], [[undefined], iso(start + 5000)]);
  assert.deepEqual(
    resumed.status.conditions?.map(({ type, status, reason }) => [type, status, reason]),
    [['Suspended', 'False', 'JobResumed']],
  );
  assert.equal(planJob(jobOf({}), [], start).status.conditions, undefined);
});

test('the first rule of the failure policy that fits decides', () => {
  const rules = [
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [7] } },
    { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [42] } },
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
  ];
  const job = jobOf({ backoffLimit: 0, podFailurePolicy: { rules } });
  const fatal = planJob(job, [podOf('Failed', { exitCode: 42 })], start);
  assert.equal(fatal.verdict?.reason, 'PodFailurePolicy');
  assert.match(
    fatal.verdict?.message ?? '',
    /^Container c for pod n\/p\d+ failed with exit code 42 matching FailJob rule at index 1$/,
  );
  assert.deepEqual(planJob(job, [podOf('Failed', { exitCode: 7 })], start).create, [undefined]);
  const evicted = podOf('Failed', { exitCode: 137 });
  const conditions = [{ type: 'DisruptionTarget', status: 'True' as const }];
  const disrupted = { ...evicted, status: { ...evicted.status, conditions } };
  assert.equal(planJob(job, [disrupted], start).status.failed, 0);
  assert.equal(planJob(job, [podOf('Failed', { exitCode: 1 })], start).verdict?.reason, 'BackoffLimitExceeded');
});

test('less parallelism takes pods away, a deadline ends the Job', () => {
  const shrunk = planJob(jobOf({ completions: 5, parallelism: 1 }), [podOf('Running'), podOf('Running')], start);
  assert.equal(shrunk.remove.length, 1);
  const late = jobOf({ activeDeadlineSeconds: 5 }, { startTime: iso(start) });
  assert.equal(planJob(late, [podOf('Running')], start + 1000).requeueAfterMs, 4000);
  assert.equal(planJob(late, [podOf('Running')], start + 5000).verdict?.reason, 'DeadlineExceeded');
});

test('intervals of indexes', () => {
  assert.equal(intervals(new Set([0, 1, 2, 4, 6, 7])), '0-2,4,6,7');
  assert.equal(intervals(new Set()), '');
});
