// Jobs and CronJobs, as far as their controllers read and write them.
// Comes in: JSON from the object API. Goes out: types only. Main thread.
import type { AnyObject, Condition, LabelSelector, ObjectMeta, PodTemplate } from './objects.ts';

/** One rule about failed pods; the first that matches decides. */
export interface PodFailureRule {
  action: string;
  onExitCodes?: { containerName?: string; operator: string; values: number[] };
  onPodConditions?: { type: string; status?: string }[];
}

/** What a Job should do. */
export interface JobSpec {
  completions?: number;
  parallelism?: number;
  backoffLimit?: number;
  activeDeadlineSeconds?: number;
  ttlSecondsAfterFinished?: number;
  suspend?: boolean;
  /** `Indexed` gives every completion a number. */
  completionMode?: string;
  podFailurePolicy?: { rules: PodFailureRule[] };
  selector?: LabelSelector;
  template: PodTemplate;
}

/** What a Job did. */
export interface JobStatus {
  active?: number;
  succeeded?: number;
  failed?: number;
  ready?: number;
  completedIndexes?: string;
  startTime?: string | null;
  completionTime?: string;
  conditions?: Condition[];
}

/** A batch/v1 Job. */
export interface Job extends AnyObject {
  spec: JobSpec;
  status?: JobStatus;
}

/** A batch/v1 CronJob. */
export interface CronJob extends AnyObject {
  spec: {
    schedule: string;
    timeZone?: string;
    startingDeadlineSeconds?: number;
    concurrencyPolicy?: string;
    suspend?: boolean;
    jobTemplate: { metadata?: Partial<ObjectMeta>; spec: JobSpec };
    successfulJobsHistoryLimit?: number;
    failedJobsHistoryLimit?: number;
  };
  status?: {
    active?: { apiVersion?: string; kind?: string; name?: string; namespace?: string; uid?: string }[];
    lastScheduleTime?: string;
    lastSuccessfulTime?: string;
  };
}
