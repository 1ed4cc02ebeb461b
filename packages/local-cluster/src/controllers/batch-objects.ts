// Jobs and CronJobs, as far as their controllers read and write them.
// Comes in: JSON from the object API. Goes out: types only. Main thread.
import type { AnyObject, Condition, LabelSelector, PodTemplate } from './objects.ts';

/** A batch/v1 Job. */
export interface Job extends AnyObject {
  spec: {
    completions?: number;
    parallelism?: number;
    backoffLimit?: number;
    activeDeadlineSeconds?: number;
    ttlSecondsAfterFinished?: number;
    suspend?: boolean;
    selector?: LabelSelector;
    template: PodTemplate;
  };
  status?: {
    active?: number;
    succeeded?: number;
    failed?: number;
    ready?: number;
    startTime?: string;
    completionTime?: string;
    conditions?: Condition[];
  };
}
