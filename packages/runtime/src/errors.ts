// In: a failure anywhere in the mesh. Out: an error with a stable code, a hint for the operator, and a text for people.
// Called by: every package (each extends CodedError with its own closed union of codes). Any thread.

/** Options of a {@link CodedError}: the cause it wraps and what an operator should check first. */
export interface CodedErrorOptions {
  readonly cause?: unknown;
  /** What to check or do first, when it can be guessed. Lower case, no trailing dot. */
  readonly hint?: string;
}

const brand: unique symbol = Symbol.for('@ambit/runtime.CodedError');

/**
 * Base of the one error class that each package declares.
 * `code` is stable and documented (`ERR_<PKG>_*`); `message` is for people and may change.
 */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly hint: string | undefined;
  readonly [brand] = true;

  constructor(code: Code, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  /** Says whether a value is a coded error, also across two installed copies of this package. */
  static is(value: unknown): value is CodedError {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** The code of an error when it has one (ours or Node's), else undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return oneLine(error.message === '' ? error.name : error.message);
  if (typeof error === 'string') return oneLine(error);
  return `non-error value of type ${typeof error} was thrown`;
}

function oneLine(text: string): string {
  return text.split('\n').join(' ');
}

/** How many causes {@link explain} follows: a longer (or circular) chain is cut. */
const MAX_CAUSES = 5;

/** Prints an error for a person: the fact first, then one `why:` line per cause, then `try:` with the first hint found. */
export function explain(error: unknown): string {
  let said = messageOf(error);
  const lines = [said];
  let hint = CodedError.is(error) ? error.hint : undefined;
  let cause = causeOf(error);
  for (let depth = 0; cause !== undefined && depth < MAX_CAUSES; depth += 1) {
    const why = messageOf(cause);
    // Some messages end with their cause: once is enough.
    if (said === why || !said.endsWith(why)) lines.push(`why: ${why}`);
    said = why;
    hint ??= CodedError.is(cause) ? cause.hint : undefined;
    cause = causeOf(cause);
  }
  if (hint !== undefined) lines.push(`try: ${hint}`);
  return lines.join('\n');
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
