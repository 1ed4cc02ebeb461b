// In: a table of variables and the process environment. Out: one frozen object of typed values, or every problem at once.
// Called by: config.ts of each app, once at start. Pure apart from what it is given; unknown variables are ignored.
import { CodedError } from './errors.ts';

/** Codes of {@link ConfigError}. */
export type ConfigErrorCode =
  /** The environment does not fit the table of variables; the message names every problem. */
  'ERR_RUNTIME_CONFIG';

/** The environment does not fit the table. `problems` has one sentence per variable. */
export class ConfigError extends CodedError<ConfigErrorCode> {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('ERR_RUNTIME_CONFIG', `invalid environment: ${problems.join('; ')}`, {
      hint: 'correct the named variables and start again',
    });
    this.problems = problems;
  }
}

/** One row of an environment table. */
export interface EnvVar<T> {
  /** Type as the reference page shows it. */
  readonly type: string;
  /** Default as the reference page shows it; empty when there is none. */
  readonly defaultText: string;
  readonly doc: string;
  /** Value when the variable is unset (and when it is empty, unless the row keeps empty values). */
  readonly fallback: T;
  /** True when an empty value is passed to `parse` instead of meaning unset. */
  readonly keepEmpty: boolean;
  /** Reads a set value; throws an Error whose message completes "NAME ...". */
  readonly parse: (value: string) => T;
}

/** A table: variable name to row. */
export type EnvSchema = Readonly<Record<string, EnvVar<unknown>>>;
/** What {@link readEnv} returns for a table. */
export type EnvOf<S extends EnvSchema> = { readonly [K in keyof S]: S[K] extends EnvVar<infer T> ? T : never };

/** Options of every row. */
export interface EnvVarOptions {
  /** What an empty value means: `unset` (default) or a value of its own. */
  readonly empty?: 'unset' | 'value';
}

/** A text. Without a default the value is undefined when unset. */
export function text(fallback: string, doc: string, options?: EnvVarOptions): EnvVar<string>;
export function text(fallback: undefined, doc: string, options?: EnvVarOptions): EnvVar<string | undefined>;
export function text(fallback: string | undefined, doc: string, options?: EnvVarOptions): EnvVar<string | undefined> {
  return row('text', fallback, fallback ?? '', doc, options, (value) => value);
}

/** Exactly `true` or `false`. */
export function bool(fallback: boolean, doc: string): EnvVar<boolean> {
  return row('bool', fallback, String(fallback), doc, undefined, (value) => {
    if (value === 'true') return true;
    if (value === 'false') return false;
    throw new Error(`must be true or false, not "${shorten(value)}"`);
  });
}

/** A whole number from 0 (or `min`) to 2^53-1 (or `max`). */
export function count(fallback: number, doc: string, limits?: { min?: number; max?: number }): EnvVar<number>;
export function count(
  fallback: undefined,
  doc: string,
  limits?: { min?: number; max?: number },
): EnvVar<number | undefined>;
export function count(
  fallback: number | undefined,
  doc: string,
  limits: { min?: number; max?: number } = {},
): EnvVar<number | undefined> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits;
  return row('count', fallback, fallback === undefined ? '' : String(fallback), doc, undefined, (value) => {
    const number = isDigits(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw new Error(`must be a whole number from ${min} to ${max}, not "${shorten(value)}"`);
    }
    return number;
  });
}

/** A duration with units (`500ms`, `10s`, `5m`, `1h30m`), as milliseconds. */
export function durationMs(fallbackMs: number, doc: string): EnvVar<number>;
export function durationMs(fallbackMs: undefined, doc: string): EnvVar<number | undefined>;
export function durationMs(fallbackMs: number | undefined, doc: string): EnvVar<number | undefined> {
  const shown = fallbackMs === undefined ? '' : formatDuration(fallbackMs);
  return row('duration', fallbackMs, shown, doc, undefined, (value) => {
    const ms = parseDuration(value);
    if (ms === undefined) throw new Error(`must be a duration such as 500ms, 10s or 1h30m, not "${shorten(value)}"`);
    return ms;
  });
}

/** One of a closed list of words. */
export function choice<const T extends string>(options: readonly T[], fallback: NoInfer<T>, doc: string): EnvVar<T> {
  return row(options.join(' | '), fallback, fallback, doc, undefined, (value) => {
    const found = options.find((option) => option === value);
    if (found === undefined) throw new Error(`must be one of ${options.join(', ')}, not "${shorten(value)}"`);
    return found;
  });
}

/** Texts separated by commas, trimmed, empty ones left out. */
export function list(fallback: readonly string[], doc: string): EnvVar<readonly string[]> {
  return row('list', fallback, fallback.join(','), doc, { empty: 'value' }, (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
}

/** Reads the table from an environment. Throws {@link ConfigError} that names ALL problems; the result is frozen. */
export function readEnv<const S extends EnvSchema>(
  schema: S,
  source: Readonly<Record<string, string | undefined>>,
): EnvOf<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, variable] of Object.entries(schema)) {
    const given = Object.hasOwn(source, name) ? source[name] : undefined;
    if (given === undefined || (given === '' && !variable.keepEmpty)) {
      values[name] = variable.fallback;
      continue;
    }
    try {
      values[name] = variable.parse(given);
    } catch (error) {
      problems.push(`${name} ${error instanceof Error ? error.message : 'is not valid'}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(values) as EnvOf<S>;
}

/** One line of the generated reference page. */
export interface EnvDescription {
  readonly name: string;
  readonly type: string;
  readonly default: string;
  readonly doc: string;
}

/** Lists a table for the reference page, in its order. */
export function describeEnv(schema: EnvSchema): EnvDescription[] {
  return Object.entries(schema).map(([name, variable]) => ({
    name,
    type: variable.type,
    default: variable.defaultText,
    doc: variable.doc,
  }));
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `1h30m`, `500ms`, `1.5s` or `0` as milliseconds; undefined when it is not a duration. */
export function parseDuration(value: string): number | undefined {
  if (value === '0') return 0;
  if (value === '' || value.length > 64) return undefined;
  let total = 0;
  let rest = value;
  while (rest !== '') {
    const digits = takeWhile(rest, (char) => (char >= '0' && char <= '9') || char === '.');
    const unit = takeWhile(rest.slice(digits.length), (char) => char >= 'a' && char <= 'z');
    const unitMs = Object.hasOwn(UNIT_MS, unit) ? UNIT_MS[unit] : undefined;
    const amount = digits === '' ? Number.NaN : Number(digits);
    if (unitMs === undefined || !Number.isFinite(amount)) return undefined;
    total += amount * unitMs;
    rest = rest.slice(digits.length + unit.length);
  }
  return total <= Number.MAX_SAFE_INTEGER ? Math.round(total) : undefined;
}

/** Writes milliseconds with the largest unit that divides them: 90000 is `90s`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const unitMs = UNIT_MS[unit] ?? 1;
    if (ms !== 0 && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}

function row<T>(
  type: string,
  fallback: T,
  defaultText: string,
  doc: string,
  options: EnvVarOptions | undefined,
  parse: (value: string) => T,
): EnvVar<T> {
  return { type, fallback, defaultText, doc, keepEmpty: options?.empty === 'value', parse };
}

function takeWhile(value: string, keep: (char: string) => boolean): string {
  let end = 0;
  while (end < value.length && keep(value.charAt(end))) end += 1;
  return value.slice(0, end);
}

function isDigits(value: string): boolean {
  return value !== '' && value.length <= 16 && takeWhile(value, (char) => char >= '0' && char <= '9') === value;
}

function shorten(value: string): string {
  return value.length <= 40 ? value : `${value.slice(0, 40)}...`;
}
