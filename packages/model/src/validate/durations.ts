// Durations in rules: at least a millisecond, and whole milliseconds (spec control-plane 10.2). Pure.
import { goDuration } from './go-duration.ts';
import { type Findings, textOf } from './json.ts';

const MILLISECOND = 1_000_000n;

/** Nanoseconds of a duration that was read already. */
export function nanosOf(value: unknown): bigint {
  const nanos = goDuration(textOf(value));
  return typeof nanos === 'bigint' ? nanos : 0n;
}

/** Checks a duration that is there. */
export function checkDuration(value: unknown, { error }: Findings): void {
  if (value === undefined) return;
  const nanos = nanosOf(value);
  if (nanos < MILLISECOND) error('duration must be greater than 1ms');
  else if (nanos % MILLISECOND !== 0n) error('only durations to ms precision are supported');
}
