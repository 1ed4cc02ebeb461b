// Durations as Go reads them: `1h30m`, `1.5s`, `300ms`. In: text. Out: nanoseconds, or why it is none, in Go's words. Pure.
import { quoted } from '../analyze/go-text.ts';

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MAX = (1n << 63n) - 1n;
/** Longest text that is read; longer ones are no durations. */
const MAX_LENGTH = 256;
const isDigit = (c: string): boolean => c >= '0' && c <= '9';

/** Nanoseconds, or the reason why the text is no duration. */
export function goDuration(text: string): bigint | string {
  const invalid = `time: invalid duration ${quoted(text.slice(0, MAX_LENGTH))}`;
  const isNegative = text.startsWith('-');
  let rest = isNegative || text.startsWith('+') ? text.slice(1) : text;
  if (rest === '0') return 0n;
  if (rest === '' || rest.length > MAX_LENGTH) return invalid;
  let total = 0n;
  while (rest !== '') {
    const [whole, afterWhole] = digits(rest);
    const hasDot = afterWhole.startsWith('.');
    const [part, afterPart] = hasDot ? digits(afterWhole.slice(1)) : ['', afterWhole];
    if (whole === '' && part === '') return invalid;
    const end = Array.from(afterPart).findIndex((c) => c === '.' || isDigit(c));
    const unit = end < 0 ? afterPart : Array.from(afterPart).slice(0, end).join('');
    if (unit === '') return `time: missing unit in duration ${quoted(text)}`;
    const size = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (size === undefined) return `time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`;
    total += BigInt(whole === '' ? '0' : whole) * size;
    if (part !== '') total += (BigInt(part) * size) / 10n ** BigInt(part.length);
    if (total > MAX) return invalid;
    rest = afterPart.slice(unit.length);
  }
  return isNegative ? -total : total;
}

function digits(text: string): readonly [digits: string, rest: string] {
  let end = 0;
  while (end < text.length && isDigit(text.charAt(end))) end++;
  return [text.slice(0, end), text.slice(end)];
}
