/** Durations of the wire -> milliseconds. In: google.protobuf.Duration. Out: a number; used while resources are compiled. */
import type { Duration } from '@bufbuild/protobuf/wkt';

/** Milliseconds of a duration; undefined when absent. Negative durations count as 0. */
export const durationMs = (duration: Duration | undefined): number | undefined => {
  if (duration === undefined) return undefined;
  return Math.max(0, Number(duration.seconds) * 1000 + duration.nanos / 1e6);
};

/** Like {@link durationMs}, with 0 read as "off": undefined. */
export const positiveMs = (duration: Duration | undefined): number | undefined => {
  const ms = durationMs(duration);
  return ms === undefined || ms === 0 ? undefined : ms;
};
