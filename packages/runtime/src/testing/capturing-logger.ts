// In: log calls of the code under test. Out: a list that the test reads.
import type { LogFields, LogLevel, Logger } from '../log.ts';

/** One remembered line. */
export interface CapturedLine {
  readonly level: LogLevel;
  readonly scope: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger with every level on that keeps its lines, children included. */
export interface CapturingLogger extends Logger {
  readonly lines: readonly CapturedLine[];
  /** Messages of one level, in order. */
  messages(level: LogLevel): string[];
}

/** Makes a capturing logger. */
export function createCapturingLogger(): CapturingLogger {
  const lines: CapturedLine[] = [];
  return {
    ...scoped('', lines),
    lines,
    messages: (level) => lines.filter((line) => line.level === level).map((line) => line.message),
  };
}

function scoped(scope: string, lines: CapturedLine[]): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, scope, message, fields });
    };
  return {
    isEnabled: () => true,
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    trace: at('trace'),
    child: (name) => scoped(scope === '' ? name : `${scope}::${name}`, lines),
  };
}
