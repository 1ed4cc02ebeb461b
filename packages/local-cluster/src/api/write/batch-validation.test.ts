import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { cronJobProblems, jobSpecProblems, jobUpdateProblems } from './batch-validation.ts';

const template = (restartPolicy: string): JsonObject => ({ spec: { restartPolicy } });
const told = (problems: readonly { field: string; message: string }[]): string[] =>
  problems.map(({ field, message }) => `${field}: ${message}`);

test('the pods of a Job end', () => {
  assert.deepEqual(told(jobSpecProblems({ template: template('Never') }, 'spec')), []);
  assert.deepEqual(told(jobSpecProblems({ template: template('Always') }, 'spec')), [
    'spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"',
  ]);
  const indexed = { template: template('Never'), completionMode: 'Indexed' };
  assert.deepEqual(told(jobSpecProblems(indexed, 'spec')), [
    'spec.completions: Required value: when completion mode is Indexed',
  ]);
});

test('a schedule and its zone are read when a CronJob is stored', () => {
  const jobTemplate = { spec: { template: template('Never') } };
  assert.deepEqual(told(cronJobProblems({ spec: { schedule: '* * * * *', timeZone: 'Asia/Tokyo', jobTemplate } })), []);
  assert.deepEqual(told(cronJobProblems({ spec: { schedule: 'x', timeZone: 'Mars', jobTemplate } })), [
    'spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]',
    'spec.timeZone: Invalid value: "Mars": unknown time zone Mars',
  ]);
});

test('the template of a Job is fixed unless the Job is suspended', () => {
  const job = (suspend: boolean, policy: string, completions = 1): JsonObject => ({
    spec: { suspend, completions, template: template(policy) },
  });
  const problems = (after: JsonObject, before: JsonObject): string[] =>
    jobUpdateProblems(after, before).map(({ field }) => field);
  assert.deepEqual(problems(job(false, 'Never'), job(false, 'OnFailure')), ['spec.template']);
  assert.deepEqual(problems(job(false, 'Never'), job(true, 'OnFailure')), []);
  assert.deepEqual(problems(job(false, 'Never', 2), job(false, 'Never')), ['spec.completions']);
});
