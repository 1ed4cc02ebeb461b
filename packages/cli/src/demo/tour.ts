// The steps of the tour in their order. Called by whole-tour.ts and tour-by-keys.ts.
import type { TourStep } from './step.ts';
import { bringUpStep } from './steps/bring-up.ts';
import { beforeStep } from './steps/before.ts';
import { controlPlaneStep } from './steps/control-plane.ts';
import { denyStep } from './steps/deny.ts';
import { labelStep } from './steps/label.ts';
import { leaveStep } from './steps/leave.ts';
import { requestsStep } from './steps/requests.ts';
import { rollStep } from './steps/roll.ts';
import { splitStep } from './steps/split.ts';
import { waypointStep } from './steps/waypoint.ts';

/** All steps. */
export const tour: readonly TourStep[] = [
  bringUpStep,
  beforeStep,
  labelStep,
  denyStep,
  waypointStep,
  splitStep,
  requestsStep,
  rollStep,
  controlPlaneStep,
  leaveStep,
];
