// What a Job should do next. Pure.
// Comes in: the Job, its pods and the time. Goes out: pods to make and to remove, the status, when to look again.
// Called by job.ts.
import type { Job, JobStatus, PodFailureRule } from './batch-objects.ts';
import { isoSeconds } from './context.ts';
import type { Condition, Pod } from './objects.ts';
import { isPodActive, isPodReady } from './selector.ts';

/** Annotation and label that carry the number of a pod of an indexed Job. */
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index';

const FIRST_BACKOFF_MS = 10_000;
const LAST_BACKOFF_MS = 600_000;

/** The next step of a Job. */
export interface JobPlan {
  /** One entry for each pod to make: its index, undefined where the Job does not count. */
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
  readonly status: JobStatus;
  /** Set when this step ends the Job. */
  readonly verdict: Condition | undefined;
  /** Milliseconds until time alone changes the plan. */
  readonly requeueAfterMs: number | undefined;
}

/** True once a Job has its last condition. */
export const lastCondition = (job: Job): Condition | undefined =>
  job.status?.conditions?.find(
    (each) => (each.type === 'Complete' || each.type === 'Failed') && each.status === 'True',
  );

/** The index of a pod of an indexed Job. */
export function completionIndexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[COMPLETION_INDEX];
  const index = Number(text);
  return text !== undefined && Number.isInteger(index) && index >= 0 ? index : undefined;
}

/** Plans a Job that is not finished. */
export function planJob(job: Job, pods: readonly Pod[], nowMs: number): JobPlan {
  const now = isoSeconds(nowMs);
  const isIndexed = job.spec.completionMode === 'Indexed';
  const active = pods.filter(isPodActive);
  const done = pods.filter((pod) => pod.status?.phase === 'Succeeded');
  const failures = pods.filter((pod) => pod.status?.phase === 'Failed');
  const decided = failures.map((pod) => ({ pod, rule: ruleFor(job, pod) }));
  const counted = decided.filter(({ rule }) => rule?.rule.action !== 'Ignore');
  const completed = isIndexed ? completedIndexes(done, job.spec.completions ?? 0) : new Set<number>();
  const succeeded = isIndexed ? completed.size : done.length;
  const isSuspended = job.spec.suspend === true;
  const startTime = isSuspended ? undefined : (job.status?.startTime ?? now);
  const fatal = decided.find(({ rule }) => rule?.rule.action === 'FailJob');
  const verdict =
    fatal?.rule === undefined
      ? judge(job, { succeeded, failed: counted.length, active }, startTime, nowMs)
      : condition('Failed', 'PodFailurePolicy', fatal.rule.why, now);
  const counts = {
    succeeded,
    failed: counted.length,
    ...(isIndexed ? { completedIndexes: intervals(completed) } : {}),
  };
  if (verdict !== undefined) {
    const first: Condition = { ...verdict, type: verdict.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget' };
    const others = (job.status?.conditions ?? []).filter((each) => each.type !== first.type);
    return {
      create: [],
      remove: active,
      verdict,
      requeueAfterMs: undefined,
      status: {
        ...counts,
        active: 0,
        ready: 0,
        ...(startTime === undefined ? {} : { startTime }),
        conditions: [...others, first, verdict],
        ...(verdict.type === 'Complete' ? { completionTime: now } : {}),
      },
    };
  }
  const conditions = suspension(job, now);
  const status: JobStatus = {
    ...counts,
    active: isSuspended ? 0 : active.length,
    ready: active.filter(isPodReady).length,
    startTime: startTime ?? null,
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  if (isSuspended) return { create: [], remove: active, status, verdict, requeueAfterMs: undefined };
  const parallelism = job.spec.parallelism ?? 1;
  const left = job.spec.completions === undefined ? parallelism : job.spec.completions - succeeded;
  // Without a number of completions the first success ends the making of pods.
  const isWindingDown = job.spec.completions === undefined && succeeded > 0;
  const wanted = isWindingDown ? active.length : Math.max(0, Math.min(parallelism, left));
  const waitMs = backoffLeftMs(
    counted.map(({ pod }) => pod),
    done,
    nowMs,
  );
  const missing = Math.max(0, wanted - active.length);
  const untilDeadline =
    job.spec.activeDeadlineSeconds === undefined || startTime === undefined
      ? undefined
      : Math.max(1, Date.parse(startTime) + job.spec.activeDeadlineSeconds * 1000 - nowMs);
  const waits = [untilDeadline, missing > 0 && waitMs > 0 ? waitMs : undefined].filter((each) => each !== undefined);
  return {
    create: waitMs > 0 ? [] : isIndexed ? freeIndexes(job, active, completed, missing) : Array(missing).fill(undefined),
    remove: active.slice(wanted),
    status,
    verdict,
    requeueAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
  };
}

function condition(type: string, reason: string, message: string, now: string): Condition {
  return { type, status: 'True', reason, message, lastTransitionTime: now, lastProbeTime: now };
}

function judge(
  job: Job,
  seen: { readonly succeeded: number; readonly failed: number; readonly active: readonly Pod[] },
  startTime: string | undefined,
  nowMs: number,
): Condition | undefined {
  const now = isoSeconds(nowMs);
  const wanted = job.spec.completions ?? (job.spec.parallelism === undefined ? 1 : undefined);
  const isComplete = wanted === undefined ? seen.succeeded > 0 && seen.active.length === 0 : seen.succeeded >= wanted;
  if (isComplete && job.spec.suspend !== true)
    return condition('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods', now);
  const limit = job.spec.backoffLimit ?? 6;
  const restarts = job.spec.template.spec.restartPolicy === 'OnFailure' ? seen.active.reduce(restartsIn, 0) : 0;
  if (seen.failed > limit || (restarts > 0 && restarts >= limit))
    return condition('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit', now);
  const deadline = job.spec.activeDeadlineSeconds;
  if (deadline !== undefined && startTime !== undefined && nowMs >= Date.parse(startTime) + deadline * 1000)
    return condition('Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline', now);
  return undefined;
}

function restartsIn(sum: number, { status }: Pod): number {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.reduce((each, { restartCount }) => each + restartCount, sum);
}

// The condition Suspended tells of every change, and stays away from Jobs that were never suspended.
function suspension(job: Job, now: string): Condition[] {
  const before = job.status?.conditions ?? [];
  const known = before.find((each) => each.type === 'Suspended');
  const wanted = job.spec.suspend === true ? 'True' : 'False';
  if ((known?.status ?? 'False') === wanted) return [...before];
  const next =
    wanted === 'True'
      ? condition('Suspended', 'JobSuspended', 'Job suspended', now)
      : { ...condition('Suspended', 'JobResumed', 'Job resumed', now), status: 'False' as const };
  return [...before.filter((each) => each.type !== 'Suspended'), next];
}

/** Failures since the last success make the next pod wait: 10 s, doubled with each, at most 10 min. */
function backoffLeftMs(failed: readonly Pod[], done: readonly Pod[], nowMs: number): number {
  const lastSuccess = Math.max(0, ...done.map(finishedAtMs));
  const times = failed.map(finishedAtMs).filter((time) => time >= lastSuccess);
  if (times.length === 0) return 0;
  const delay = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(times.length - 1, 10), LAST_BACKOFF_MS);
  return Math.max(0, Math.max(...times) + delay - nowMs);
}

function finishedAtMs({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map((each) => Date.parse(each.state.terminated?.finishedAt ?? ''));
  const known = ends.filter((end) => !Number.isNaN(end));
  return known.length > 0 ? Math.max(...known) : Date.parse(metadata.creationTimestamp ?? '') || 0;
}

function completedIndexes(done: readonly Pod[], completions: number): Set<number> {
  const found = done.map(completionIndexOf).filter((index) => index !== undefined && index < completions);
  return new Set(found as number[]);
}

function freeIndexes(job: Job, active: readonly Pod[], completed: ReadonlySet<number>, count: number): number[] {
  const taken = new Set(active.map(completionIndexOf));
  const free: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && free.length < count; index += 1)
    if (!taken.has(index) && !completed.has(index)) free.push(index);
  return free;
}

/** Numbers as the status writes them: `0-2,4`. */
export function intervals(numbers: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...numbers].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length; at += 1) {
    const first = sorted[at] ?? 0;
    let last = first;
    while (sorted[at + 1] === last + 1) {
      at += 1;
      last += 1;
    }
    parts.push(first === last ? String(first) : last === first + 1 ? `${first},${last}` : `${first}-${last}`);
  }
  return parts.join(',');
}

/** The first rule of the failure policy that fits a failed pod, with the sentence that tells so. */
function ruleFor(job: Job, pod: Pod): { rule: PodFailureRule; why: string } | undefined {
  for (const [index, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const why = reasonOf(rule, pod);
    if (why !== undefined) return { rule, why: `${why} matching ${rule.action} rule at index ${index}` };
  }
  return undefined;
}

function reasonOf({ onExitCodes, onPodConditions }: PodFailureRule, pod: Pod): string | undefined {
  const where = `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
  if (onExitCodes !== undefined) {
    const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const { name, state } of all) {
      const code = state.terminated?.exitCode;
      if (code === undefined || code === 0) continue;
      if (onExitCodes.containerName !== undefined && onExitCodes.containerName !== name) continue;
      if (onExitCodes.values.includes(code) === (onExitCodes.operator === 'In'))
        return `Container ${name} for pod ${where} failed with exit code ${code}`;
    }
  }
  const found = onPodConditions?.find(({ type, status = 'True' }) =>
    pod.status?.conditions?.some((each) => each.type === type && each.status === status),
  );
  return found === undefined ? undefined : `Pod ${where} has condition ${found.type}`;
}
