// In: a constant message and fields. Out: one line, plain (as the node proxy of Istio writes it) or JSON.
// Called by: everything; a library gets its logger from the app and never prints by itself. Any thread.
// A line is built only when its level is on, and handed to a writer that never blocks (line-writer.ts).
import { formatJson, formatPlain } from './log-format.ts';
import { type LineWriter, standardOutput } from './line-writer.ts';

/** Levels, most severe first. `off` is only a filter value. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
/** Severity of one line. */
export type LogLevel = (typeof LOG_LEVELS)[number];
/** What a filter may say for a scope. */
export type LogThreshold = LogLevel | 'off';
/** Variable part of a line. A value that is undefined is left out. Never put tokens, keys or payload here. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What a library sees. */
export interface Logger {
  /** True when a line of this level would be written; use it before building costly fields. */
  isEnabled(level: LogLevel): boolean;
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** A logger of a deeper scope: `child('pool')` under `hbone` is `hbone::pool`. */
  child(scope: string): Logger;
}

/** What the app holds: the same, and levels that change at run time. */
export interface RootLogger extends Logger {
  /** Sets the threshold of one scope and all below it, or of everything when `scope` is undefined (which forgets the single ones). */
  setLevel(scope: string | undefined, level: LogThreshold): void;
  /** The current filter as text: `info,access=debug`. */
  filter(): string;
  /** Waits until everything queued was written, at most `timeoutMs` (default 1000). */
  flush(timeoutMs?: number): Promise<void>;
}

/** Settings of {@link createLogger}. */
export interface LoggerOptions {
  /** A level, or a filter list such as `info,access=debug`. */
  readonly level: string;
  readonly format: 'plain' | 'json';
  /** First scope. Default empty. */
  readonly scope?: string;
  /** Receives each finished line without its newline. Default: standard output through the non-blocking writer. */
  readonly write?: (line: string) => void;
  /** Milliseconds since the epoch, fractions allowed. Default the system's. */
  readonly now?: () => number;
}

const SEVERITY: Readonly<Record<LogThreshold, number>> = { off: 0, error: 1, warn: 2, info: 3, debug: 4, trace: 5 };

/** Thresholds by scope; the most specific scope wins. Changing it bumps `generation`, which drops cached answers. */
interface LevelTable {
  base: LogThreshold;
  scopes: Map<string, LogThreshold>;
  generation: number;
}

/** Says whether a text names a threshold. */
export function isLogThreshold(text: string): text is LogThreshold {
  return Object.hasOwn(SEVERITY, text);
}

/**
 * Reads a filter list: `<level>` and `<scope>=<level>` separated by commas, later ones win.
 * Returns the problem as text when it is not valid (a bare scope name is not).
 */
export function parseLogFilter(text: string): { scope: string | undefined; level: LogThreshold }[] | string {
  const rows: { scope: string | undefined; level: LogThreshold }[] = [];
  for (const part of text.split(',')) {
    const item = part.trim();
    if (item === '') continue;
    const at = item.lastIndexOf('=');
    const level = item.slice(at + 1).toLowerCase();
    if (!isLogThreshold(level))
      return `"${level.slice(0, 40)}" is not a log level (off, error, warn, info, debug, trace)`;
    rows.push({ scope: at < 0 ? undefined : item.slice(0, at), level });
  }
  return rows;
}

/** Makes the logger of a process (or thread). An invalid `level` text counts as `info`. */
export function createLogger(options: LoggerOptions): RootLogger {
  const { format, scope = '', now = preciseNow } = options;
  const writer: LineWriter | undefined = options.write === undefined ? standardOutput() : undefined;
  const write = options.write ?? ((line: string) => writer?.write(line));
  const table: LevelTable = { base: 'info', scopes: new Map(), generation: 0 };
  const setLevel = (target: string | undefined, level: LogThreshold): void => {
    if (target === undefined) {
      table.base = level;
      table.scopes.clear();
    } else table.scopes.set(target, level);
    table.generation += 1;
  };
  const rows = parseLogFilter(options.level);
  if (typeof rows !== 'string') {
    for (const row of rows) if (row.scope === undefined) setLevel(undefined, row.level);
    for (const row of rows) if (row.scope !== undefined) setLevel(row.scope, row.level);
  }
  const line = format === 'plain' ? formatPlain : formatJson;
  const emit = (level: LogLevel, at: string, message: string, fields: LogFields | undefined): void =>
    write(line(now(), level, at, message, fields));
  return {
    ...scoped(scope, table, emit),
    setLevel,
    filter: () => [table.base, ...[...table.scopes].map(([name, level]) => `${name}=${level}`)].join(','),
    flush: async (timeoutMs = 1000) => writer?.flush(timeoutMs),
  };
}

type Emit = (level: LogLevel, scope: string, message: string, fields: LogFields | undefined) => void;

function scoped(scope: string, table: LevelTable, emit: Emit): Logger {
  let seen = -1;
  let limit = 0;
  const isEnabled = (level: LogLevel): boolean => {
    if (seen !== table.generation) {
      seen = table.generation;
      limit = SEVERITY[thresholdOf(scope, table)];
    }
    return SEVERITY[level] <= limit;
  };
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      if (isEnabled(level)) emit(level, scope, message, fields);
    };
  return {
    isEnabled,
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    trace: at('trace'),
    child: (name) => scoped(scope === '' ? name : `${scope}::${name}`, table, emit),
  };
}

/** Longest configured scope that is the scope itself or one of its parents; without the first `x::` too, as filters are written short. */
function thresholdOf(scope: string, table: LevelTable): LogThreshold {
  let best: LogThreshold = table.base;
  let length = -1;
  const short = scope.includes('::') ? scope.slice(scope.indexOf('::') + 2) : scope;
  for (const [name, level] of table.scopes) {
    if (name.length > length && (isUnder(scope, name) || isUnder(short, name))) {
      best = level;
      length = name.length;
    }
  }
  return best;
}

function isUnder(scope: string, parent: string): boolean {
  return scope === parent || scope.startsWith(`${parent}::`);
}

function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

const nothing = (): void => undefined;

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  isEnabled: () => false,
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  child: () => silentLogger,
};
