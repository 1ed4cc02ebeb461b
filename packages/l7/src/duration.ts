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

/** Longest time that a timer of Node runs, about 24.8 days; one that is set to more fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** What a timer may be set to instead of this many milliseconds. */
export const forTimer = (ms: number): number => Math.min(ms, longestTimerMs);

/** Like {@link positiveMs}, for timers: Gateway API and gRPC can say years. */
export const timerMs = (duration: Duration | undefined): number | undefined => {
  const ms = positiveMs(duration);
  return ms === undefined ? undefined : forTimer(ms);
};
