// Jobs: runs pods of a template until enough of them succeeded.
// Comes in: Jobs and pods. Goes out: pods, Job status and, after the ttl, the Job's deletion. Main thread.
import type { Job } from './batch-objects.ts';
import type { Condition, Pod } from './objects.ts';
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isNotFound } from '../api/status.ts';
import { podFromTemplate } from './pod-from-template.ts';
import { controllerOf, isPodActive, isPodReady } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

/** Starts the Job controller. */
export function startJobController(context: ControllerContext): Controller {
  const queue = createWorkQueue('job', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    context.api.watch<Job>('jobs.batch', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Pod>('pods', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'Job') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
    }),
  );
}

async function reconcile(context: ControllerContext, key: string): Promise<ReconcileResult> {
  const { namespace, name } = splitKey(key);
  const job = context.api.get<Job>('jobs.batch', name, namespace);
  if (job === undefined || job.metadata.deletionTimestamp !== undefined) return;
  const done = job.status?.conditions?.find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  if (done !== undefined) return expire(context, job);
  const pods = context.api
    .list<Pod>('pods', { namespace })
    .items.filter((pod) => controllerOf(pod.metadata)?.uid === job.metadata.uid);
  const succeeded = pods.filter((pod) => pod.status?.phase === 'Succeeded').length;
  const failed = pods.filter((pod) => pod.status?.phase === 'Failed').length;
  const active = pods.filter(isPodActive);
  const startTime = job.status?.startTime ?? nowSeconds();
  const verdict = judge(job, succeeded, failed, active.length, startTime);
  if (verdict !== undefined) {
    await Promise.all(active.map((pod) => removePod(context, pod)));
    context.events.record(
      job,
      verdict.type === 'Failed' ? 'Warning' : 'Normal',
      verdict.type === 'Failed' ? (verdict.reason ?? '') : 'Completed',
      verdict.type === 'Failed' ? (verdict.message ?? '') : 'Job completed',
    );
  } else if (job.spec.suspend !== true) {
    await addPods(context, job, succeeded, active.length);
  }
  await writeStatus(context, job, { succeeded, failed, active, startTime, verdict });
  if (verdict !== undefined) return expire(context, job);
  if (job.spec.activeDeadlineSeconds !== undefined) {
    const left = Date.parse(startTime) + job.spec.activeDeadlineSeconds * 1000 - Date.now();
    return { requeueAfterMs: Math.max(1, left) };
  }
}

function judge(job: Job, succeeded: number, failed: number, active: number, startTime: string): Condition | undefined {
  const now = nowSeconds();
  const times = { lastTransitionTime: now, lastProbeTime: now };
  const wanted = job.spec.completions ?? (job.spec.parallelism === undefined ? 1 : undefined);
  const complete = wanted === undefined ? succeeded > 0 && active === 0 : succeeded >= wanted;
  if (complete)
    return {
      type: 'Complete',
      status: 'True',
      reason: 'CompletionsReached',
      message: 'Reached expected number of succeeded pods',
      ...times,
    };
  if (failed > (job.spec.backoffLimit ?? 6)) {
    return {
      type: 'Failed',
      status: 'True',
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
      ...times,
    };
  }
  const deadline = job.spec.activeDeadlineSeconds;
  if (deadline !== undefined && Date.now() >= Date.parse(startTime) + deadline * 1000) {
    return {
      type: 'Failed',
      status: 'True',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
      ...times,
    };
  }
  return undefined;
}

async function addPods(context: ControllerContext, job: Job, succeeded: number, active: number): Promise<void> {
  const parallelism = job.spec.parallelism ?? 1;
  const left = job.spec.completions === undefined ? parallelism : job.spec.completions - succeeded;
  const missing = Math.min(parallelism, left) - active;
  const labels = {
    'job-name': job.metadata.name,
    'batch.kubernetes.io/job-name': job.metadata.name,
    'controller-uid': job.metadata.uid ?? '',
    'batch.kubernetes.io/controller-uid': job.metadata.uid ?? '',
  };
  for (let i = 0; i < missing; i += 1) {
    const made = await context.api.create<Pod>('pods', podFromTemplate(job, job.spec.template, { labels }));
    context.events.record(job, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`);
  }
}

async function removePod(context: ControllerContext, pod: Pod): Promise<void> {
  await context.api.delete('pods', pod.metadata.name, pod.metadata.namespace).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

async function writeStatus(
  context: ControllerContext,
  job: Job,
  facts: {
    succeeded: number;
    failed: number;
    active: readonly Pod[];
    startTime: string;
    verdict: Condition | undefined;
  },
): Promise<void> {
  const before = job.status ?? {};
  const active = facts.verdict === undefined ? facts.active.length : 0;
  const ready = facts.verdict === undefined ? facts.active.filter(isPodReady).length : 0;
  const same =
    before.startTime === facts.startTime &&
    (before.active ?? 0) === active &&
    (before.ready ?? 0) === ready &&
    (before.succeeded ?? 0) === facts.succeeded &&
    (before.failed ?? 0) === facts.failed &&
    facts.verdict === undefined;
  if (same) return;
  const status = {
    active,
    ready,
    succeeded: facts.succeeded,
    failed: facts.failed,
    startTime: facts.startTime,
    ...(facts.verdict === undefined ? {} : { conditions: [...(before.conditions ?? []), facts.verdict] }),
    ...(facts.verdict?.type === 'Complete' ? { completionTime: nowSeconds() } : {}),
  };
  await context.api.patch(
    'jobs.batch',
    job.metadata.name,
    job.metadata.namespace,
    { status },
    { subresource: 'status' },
  );
}

async function expire(context: ControllerContext, job: Job): Promise<ReconcileResult> {
  const ttl = job.spec.ttlSecondsAfterFinished;
  if (ttl === undefined) return;
  const done = job.status?.conditions?.find((c) => c.type === 'Complete' || c.type === 'Failed');
  const left = Date.parse(done?.lastTransitionTime ?? nowSeconds()) + ttl * 1000 - Date.now();
  if (left > 0) return { requeueAfterMs: left };
  await context.api.delete('jobs.batch', job.metadata.name, job.metadata.namespace);
}
