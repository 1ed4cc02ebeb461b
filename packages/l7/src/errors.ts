/**
 * Every failure that this package throws. Compiling a resource may throw; deciding about a request never does.
 * In: a code and words. Out: an Error with a stable code. Called while resources are compiled, on any thread.
 */

import { CodedError } from '@ambit/runtime/errors';

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

/** A resource that cannot be compiled; the caller rejects that one resource and keeps the last good version. */
export class L7Error extends CodedError<L7ErrorCode> {
  override readonly name = 'L7Error';

  /** True for errors of this package, also from a second copy of it. */
  static override is(error: unknown): error is L7Error {
    return CodedError.is(error) && error.name === 'L7Error';
  }
}
