// What a CronJob should do now. Pure.
// Comes in: the CronJob, its Jobs and the time. Goes out: the run that is due, Jobs to remove, the status.
// Called by cron-job.ts.
import type { CronJob, Job } from './batch-objects.ts';
import { firesAt, parseSchedule } from './cron-schedule.ts';
import type { CronSchedule, WallTime } from './cron-schedule.ts';
import { lastCondition } from './job-plan.ts';

const MINUTE_MS = 60_000;
/** Runs that were missed longer ago than this are not looked for. */
const MAX_MINUTES_BACK = 7 * 24 * 60;

/** The next step of a CronJob. */
export interface CronPlan {
  /** When the Job to make now was due. */
  readonly dueMs: number | undefined;
  /** A run is due, but another one still works and the policy forbids a second. */
  readonly isHeldBack: boolean;
  readonly remove: readonly Job[];
  readonly status: CronJob['status'];
  /** Why the schedule means nothing. */
  readonly problem: string | undefined;
}

/** Plans a CronJob; `jobs` are those it owns. */
export function planCronJob(cronJob: CronJob, jobs: readonly Job[], nowMs: number): CronPlan {
  const { spec, status } = cronJob;
  const isActive = (job: Job): boolean => lastCondition(job) === undefined;
  const active = jobs.filter((job) => isActive(job) && job.metadata.deletionTimestamp === undefined);
  const schedule = parseSchedule(spec.schedule);
  const wallTimeOf = wallClock(spec.timeZone);
  const problem =
    typeof schedule === 'string'
      ? schedule
      : wallTimeOf === undefined
        ? `unknown time zone ${spec.timeZone}`
        : undefined;
  const due =
    typeof schedule === 'string' || wallTimeOf === undefined || spec.suspend === true
      ? undefined
      : lastDue(schedule, wallTimeOf, earliestMs(cronJob, nowMs), nowMs);
  const isHeldBack = due !== undefined && spec.concurrencyPolicy === 'Forbid' && active.length > 0;
  const isReplacing = due !== undefined && spec.concurrencyPolicy === 'Replace';
  const done = jobs.filter((job) => lastCondition(job)?.type === 'Complete');
  const failed = jobs.filter((job) => lastCondition(job)?.type === 'Failed');
  const lastSuccess = done.map((job) => job.status?.completionTime ?? '').reduce((a, b) => (a > b ? a : b), '');
  return {
    dueMs: isHeldBack ? undefined : due,
    isHeldBack,
    problem,
    remove: [
      ...(isReplacing ? active : []),
      ...oldest(done, spec.successfulJobsHistoryLimit ?? 3),
      ...oldest(failed, spec.failedJobsHistoryLimit ?? 1),
    ],
    status: {
      active: (isReplacing ? [] : active).map(referenceTo),
      ...(status?.lastScheduleTime === undefined ? {} : { lastScheduleTime: status.lastScheduleTime }),
      ...(lastSuccess === '' && status?.lastSuccessfulTime === undefined
        ? {}
        : { lastSuccessfulTime: lastSuccess === '' ? (status?.lastSuccessfulTime ?? '') : lastSuccess }),
    },
  };
}

/** The reference to a Job that the status of its CronJob carries. */
export function referenceTo(job: Job): NonNullable<NonNullable<CronJob['status']>['active']>[number] {
  const { name, namespace, uid } = job.metadata;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
  };
}

/** Milliseconds to the next full minute. */
export const untilNextMinute = (nowMs: number): number => MINUTE_MS - (nowMs % MINUTE_MS);

function earliestMs({ metadata, spec, status }: CronJob, nowMs: number): number {
  const last = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '') || nowMs;
  return spec.startingDeadlineSeconds === undefined
    ? last
    : Math.max(last, nowMs - spec.startingDeadlineSeconds * 1000);
}

function lastDue(
  schedule: CronSchedule,
  wallTimeOf: (ms: number) => WallTime,
  earliest: number,
  nowMs: number,
): number | undefined {
  let minute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  for (let back = 0; back < MAX_MINUTES_BACK && minute > earliest; back += 1, minute -= MINUTE_MS)
    if (firesAt(schedule, wallTimeOf(minute))) return minute;
  return undefined;
}

// All but the newest `kept`.
function oldest(jobs: readonly Job[], kept: number): Job[] {
  const created = ({ metadata }: Job): string => metadata.creationTimestamp ?? '';
  const sorted = [...jobs].sort((a, b) => (created(a) < created(b) ? -1 : created(a) > created(b) ? 1 : 0));
  return sorted.slice(0, Math.max(0, sorted.length - kept));
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Reads the clock of a zone (default UTC); undefined for a zone that does not exist. */
export function wallClock(timeZone: string | undefined): ((ms: number) => WallTime) | undefined {
  if (timeZone === undefined || timeZone === 'Etc/UTC' || timeZone === 'UTC') return utcTime;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      weekday: 'short',
    });
  } catch {
    return undefined;
  }
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return {
      minute: Number(parts['minute']),
      hour: Number(parts['hour']),
      day: Number(parts['day']),
      month: Number(parts['month']),
      weekday: WEEKDAYS.indexOf(parts['weekday'] ?? ''),
    };
  };
}

function utcTime(ms: number): WallTime {
  const date = new Date(ms);
  return {
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekday: date.getUTCDay(),
  };
}
