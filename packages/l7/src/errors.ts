/**
 * Every failure that this package throws. Compiling a resource may throw; deciding about a request never does.
 * In: a code and words. Out: an Error with a stable code. Called while resources are compiled, on any thread.
 */

/** Stable reasons why a resource could not be compiled. */
export type L7ErrorCode =
  /** A regular expression is not RE2 syntax, or is longer than the limit. */
  | 'ERR_L7_REGEX'
  /** A path template is malformed. */
  | 'ERR_L7_TEMPLATE'
  /** An address block is not one. */
  | 'ERR_L7_CIDR'
  /** A field or a kind that this version does not enforce. */
  | 'ERR_L7_UNSUPPORTED'
  /** A header name or value that cannot be sent. */
  | 'ERR_L7_HEADER';

const brand: unique symbol = Symbol.for('@ambit/l7.L7Error');

/** A resource that cannot be compiled; the caller rejects that one resource and keeps the last good version. */
export class L7Error extends Error {
  override readonly name = 'L7Error';
  readonly [brand] = true;
  readonly code: L7ErrorCode;
  /** What the author of the resource should check first. */
  readonly hint: string | undefined;

  constructor(code: L7ErrorCode, message: string, options?: ErrorOptions & { hint?: string }) {
    super(message, options);
    this.code = code;
    this.hint = options?.hint;
  }

  /** True for errors of this class, also across copies of the package. */
  static is(error: unknown): error is L7Error {
    return typeof error === 'object' && error !== null && brand in error;
  }
}
