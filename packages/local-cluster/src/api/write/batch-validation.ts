/** Validation of Jobs and CronJobs. In: objects after defaulting; out: problems with field paths. Pure. */

import { parseSchedule } from '../../controllers/cron-schedule.ts';
import { wallClock } from '../../controllers/cron-plan.ts';
import { invalidValue, notSupported, required } from '../field-error.ts';
import { equalJson, objectAt, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';

/** Problems of the spec of a Job, but for its pods. */
export function jobSpecProblems(spec: JsonObject, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const policy = textAt(spec, 'template', 'spec', 'restartPolicy');
  if (policy !== 'OnFailure' && policy !== 'Never')
    problems.push(notSupported(`${path}.template.spec.restartPolicy`, policy, ['OnFailure', 'Never']));
  if (spec['completionMode'] === 'Indexed' && spec['completions'] === undefined)
    problems.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  return problems;
}

/** Problems of a CronJob, but for its pods. */
export function cronJobProblems(object: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const schedule = textAt(object, 'spec', 'schedule');
  const problem = schedule === '' ? undefined : parseSchedule(schedule);
  if (schedule === '') problems.push(required('spec.schedule'));
  else if (typeof problem === 'string') problems.push(invalidValue('spec.schedule', schedule, problem));
  const zone = textAt(object, 'spec', 'timeZone');
  if (zone !== '' && wallClock(zone) === undefined)
    problems.push(invalidValue('spec.timeZone', zone, `unknown time zone ${zone}`));
  return [
    ...problems,
    ...jobSpecProblems(objectAt(object, 'spec', 'jobTemplate', 'spec') ?? {}, 'spec.jobTemplate.spec'),
  ];
}

/** Problems of a change of a Job: its pods are fixed, except while it is suspended. */
export function jobUpdateProblems(object: JsonObject, before: JsonObject): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const mayChange = valueAt(before, ['spec', 'suspend']) === true;
  for (const field of mayChange ? ['completions'] : ['completions', 'template']) {
    const next = valueAt(object, ['spec', field]);
    const isElastic = field === 'completions' && textAt(object, 'spec', 'completionMode') === 'Indexed';
    if (!isElastic && !equalJson(next, valueAt(before, ['spec', field])))
      problems.push(invalidValue(`spec.${field}`, next ?? null, 'field is immutable'));
  }
  return problems;
}
