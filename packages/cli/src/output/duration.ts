// In: a duration as people type it. Out: milliseconds. Pure. Called by commands that wait.
import { CliError } from '../errors.ts';

const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `10m`, `1h` in milliseconds. Throws ERR_CLI_INVALID. */
export function durationMs(text: string): number {
  const amount = Number(text.slice(0, -1));
  const unit = unitsMs[text.at(-1) ?? ''];
  if (unit === undefined || !Number.isFinite(amount) || amount <= 0)
    throw new CliError('ERR_CLI_INVALID', `"${text}" is no duration`, { hint: '90s, 10m or 1h' });
  return amount * unit;
}
