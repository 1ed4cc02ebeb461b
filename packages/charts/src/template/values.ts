// What templates compute with: JSON-like data, as Go sees it. Pure. Called by functions.ts and evaluate.ts.

/** A map. */
export type Dictionary = Record<string, unknown>;

/** True for maps: not for lists, not for null. */
export const isDictionary = (value: unknown): value is Dictionary =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Go's idea of empty: false, 0, "", nil, and lists and maps without members. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isDictionary(value) && Object.keys(value).length === 0;
}

/** A value as `{{ }}` prints it. Lists and maps have no place in our templates without toYaml or toJson. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return numberText(value);
  return JSON.stringify(value);
}

/** Numbers as Go prints a float64: an exponent from seven digits on, which is why templates print numbers through int64 or toYaml. */
function numberText(value: number): string {
  if (!Number.isInteger(value) || Math.abs(value) < 1e21 === false) return String(value);
  const digits = String(Math.abs(value));
  if (digits.length <= 6) return String(value);
  let mantissa = digits;
  while (mantissa.endsWith('0')) mantissa = mantissa.slice(0, -1);
  const exponent = digits.length - 1;
  const shown = mantissa.length > 1 ? `${mantissa[0]}.${mantissa.slice(1)}` : mantissa;
  return `${value < 0 ? '-' : ''}${shown}e+${exponent < 10 ? '0' : ''}${exponent}`;
}

/** Deep copy of plain data. */
export function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (isDictionary(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]));
  return value;
}

/** Lays `over` over `base`, maps member by member; null removes nothing here (that is the business of coalescing). Changes `base`. */
export function overlay(base: Dictionary, over: Dictionary): Dictionary {
  for (const [key, value] of Object.entries(over)) {
    const known = base[key];
    if (isDictionary(known) && isDictionary(value)) overlay(known, value);
    else base[key] = copyOf(value);
  }
  return base;
}
