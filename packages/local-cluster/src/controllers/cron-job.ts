// CronJobs: makes a Job whenever the schedule says so, and keeps only the newest of those that ended.
// Comes in: CronJobs and Jobs. Goes out: Jobs, their deletion, CronJob status. What to do is decided by cron-plan.ts.
// Main thread.
import type { CronJob, Job } from './batch-objects.ts';
import { controllerOfParts, isoSeconds, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { planCronJob, referenceTo, untilNextMinute } from './cron-plan.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { lastCondition } from './job-plan.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { canonicalJson } from './pod-from-template.ts';
import { controllerOf } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

/** Starts the CronJob controller. */
export function startCronJobController(context: ControllerContext): Controller {
  const queue = createWorkQueue('cronjob', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    context.api.watch<CronJob>('cronjobs.batch', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Job>('jobs.batch', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'CronJob') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
    }),
  );
}

async function reconcile(context: ControllerContext, key: string): Promise<ReconcileResult> {
  const { namespace, name } = splitKey(key);
  const cronJob = context.api.get<CronJob>('cronjobs.batch', name, namespace);
  if (cronJob === undefined || cronJob.metadata.deletionTimestamp !== undefined) return;
  const jobs = context.api
    .list<Job>('jobs.batch', { namespace })
    .items.filter((job) => controllerOf(job.metadata)?.uid === cronJob.metadata.uid);
  const plan = planCronJob(cronJob, jobs, Date.now());
  const { events } = context;
  if (plan.problem !== undefined) {
    const text = `unparseable schedule: ${JSON.stringify(cronJob.spec.schedule)} : ${plan.problem}`;
    events.record(cronJob, 'Warning', 'UnparseableCronJobSchedule', text);
    return;
  }
  if (plan.isHeldBack) {
    const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.record(cronJob, 'Normal', 'JobAlreadyActive', text);
  }
  for (const job of jobs) {
    const end = lastCondition(job);
    if (end !== undefined && cronJob.status?.active?.some(({ uid }) => uid === job.metadata.uid) === true)
      events.record(
        cronJob,
        'Normal',
        'SawCompletedJob',
        `Saw completed job: ${job.metadata.name}, condition: ${end.type}`,
      );
  }
  for (const job of plan.remove) {
    await remove(context, job);
    events.record(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
  }
  const made = plan.dueMs === undefined ? undefined : await start(context, cronJob, plan.dueMs);
  await writeStatus(context, cronJob, {
    ...plan.status,
    active: [...(plan.status?.active ?? []), ...(made === undefined ? [] : [referenceTo(made)])],
    ...(plan.dueMs === undefined ? {} : { lastScheduleTime: isoSeconds(plan.dueMs) }),
  });
  if (cronJob.spec.suspend !== true) return { requeueAfterMs: untilNextMinute(Date.now()) };
}

// The name carries the minute: a run that was made before a crash is not made again.
async function start(context: ControllerContext, cronJob: CronJob, dueMs: number): Promise<Job | undefined> {
  const { metadata = {}, spec } = cronJob.spec.jobTemplate;
  const job: Job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${cronJob.metadata.name}-${dueMs / 60_000}`,
      namespace: cronJob.metadata.namespace ?? 'default',
      ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: { ...metadata.annotations, 'batch.kubernetes.io/cronjob-scheduled-timestamp': isoSeconds(dueMs) },
      ownerReferences: [ownerReferenceTo(cronJob)],
    },
    spec,
  };
  try {
    const made = await context.api.create<Job>('jobs.batch', job);
    context.events.record(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${made.metadata.name}`);
    return made;
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
}

async function remove(context: ControllerContext, job: Job): Promise<void> {
  await context.api.delete('jobs.batch', job.metadata.name, job.metadata.namespace).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

async function writeStatus(
  context: ControllerContext,
  cronJob: CronJob,
  status: NonNullable<CronJob['status']>,
): Promise<void> {
  const known = { active: [], ...cronJob.status };
  if (canonicalJson({ ...known, ...status }) === canonicalJson(known)) return;
  const { name, namespace } = cronJob.metadata;
  const active = status.active?.length === 0 ? null : status.active;
  await context.api.patch(
    'cronjobs.batch',
    name,
    namespace,
    { status: { ...status, active } },
    { subresource: 'status' },
  );
}
