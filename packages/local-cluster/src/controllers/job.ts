// Jobs: runs pods of a template until enough of them succeeded.
// Comes in: Jobs and pods. Goes out: pods, Job status and, after the ttl, the Job's deletion. What to do is decided by
// job-plan.ts. Main thread.
import type { Job, JobStatus } from './batch-objects.ts';
import type { Container, Pod } from './objects.ts';
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { COMPLETION_INDEX, lastCondition, planJob } from './job-plan.ts';
import { isNotFound } from '../api/status.ts';
import { canonicalJson, podFromTemplate } from './pod-from-template.ts';
import { controllerOf } from './selector.ts';
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
  if (lastCondition(job) !== undefined) return expire(context, job);
  const pods = context.api
    .list<Pod>('pods', { namespace })
    .items.filter((pod) => controllerOf(pod.metadata)?.uid === job.metadata.uid);
  const plan = planJob(job, pods, Date.now());
  await Promise.all(plan.remove.map((pod) => removePod(context, pod)));
  for (const index of plan.create) {
    const made = await context.api.create<Pod>('pods', podOf(job, index));
    context.events.record(job, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`);
  }
  recordChange(context, job, plan.status);
  await writeStatus(context, job, { ...plan.status, active: (plan.status.active ?? 0) + plan.create.length });
  if (plan.verdict !== undefined) return expire(context, job);
  if (plan.requeueAfterMs !== undefined) return { requeueAfterMs: plan.requeueAfterMs };
}

function podOf(job: Job, index: number | undefined): Pod {
  const labels = {
    'job-name': job.metadata.name,
    'batch.kubernetes.io/job-name': job.metadata.name,
    'controller-uid': job.metadata.uid ?? '',
    'batch.kubernetes.io/controller-uid': job.metadata.uid ?? '',
  };
  if (index === undefined) return podFromTemplate(job, job.spec.template, { labels });
  const { spec } = job.spec.template;
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } },
  };
  const numbered = (container: Container): Container =>
    container.env?.some(({ name }) => name === variable.name) === true
      ? container
      : { ...container, env: [...(container.env ?? []), variable] };
  const stem = `${job.metadata.name}-${index}`;
  const pod = podFromTemplate(job, job.spec.template, {
    labels: { ...labels, [COMPLETION_INDEX]: String(index) },
    annotations: { [COMPLETION_INDEX]: String(index) },
    spec: {
      hostname: stem,
      containers: spec.containers.map(numbered),
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(numbered) }),
    },
  });
  return { ...pod, metadata: { ...pod.metadata, generateName: `${stem}-` } };
}

function recordChange(context: ControllerContext, job: Job, status: JobStatus): void {
  const before = (type: string): string | undefined =>
    job.status?.conditions?.find((each) => each.type === type)?.status;
  for (const { type, status: state, reason = '', message = '' } of status.conditions ?? []) {
    if (before(type) === state) continue;
    if (type === 'Complete') context.events.record(job, 'Normal', 'Completed', 'Job completed');
    else if (type === 'Failed') context.events.record(job, 'Warning', reason, message);
    else if (type === 'Suspended')
      context.events.record(job, 'Normal', state === 'True' ? 'Suspended' : 'Resumed', message);
  }
}

async function removePod(context: ControllerContext, pod: Pod): Promise<void> {
  await context.api.delete('pods', pod.metadata.name, pod.metadata.namespace).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

async function writeStatus(context: ControllerContext, job: Job, status: JobStatus): Promise<void> {
  const before = job.status ?? {};
  const known = { active: 0, ready: 0, succeeded: 0, failed: 0, startTime: null, conditions: [], ...before };
  if (canonicalJson({ ...known, ...status }) === canonicalJson(known)) return;
  const { name, namespace } = job.metadata;
  await context.api.patch('jobs.batch', name, namespace, { status }, { subresource: 'status' });
}

async function expire(context: ControllerContext, job: Job): Promise<ReconcileResult> {
  const ttl = job.spec.ttlSecondsAfterFinished;
  if (ttl === undefined) return;
  const left = Date.parse(lastCondition(job)?.lastTransitionTime ?? nowSeconds()) + ttl * 1000 - Date.now();
  if (left > 0) return { requeueAfterMs: left };
  await context.api.delete('jobs.batch', job.metadata.name, job.metadata.namespace);
}
