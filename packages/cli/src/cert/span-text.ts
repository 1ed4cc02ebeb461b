// In: milliseconds. Out: a length of time in its two largest units, `ended` when it is not positive. Pure. Called by list.ts and verify.ts.

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** `3d 4h`, `59m 2s`, `ended`. */
export function spanText(ms: number): string {
  let seconds = Math.floor(ms / 1000);
  if (seconds <= 0) return 'ended';
  const parts: string[] = [];
  for (const [unit, length] of units) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0 || parts.length > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}
