/** Errors of the local cluster that are not answers to a client (those are `ApiError`, api/status.ts). */

/** Closed set of codes. */
export type LocalClusterErrorCode =
  /** The database was written by a newer version of this program. */
  | 'ERR_LOCAL_CLUSTER_STATE_VERSION'
  /** The database or a key in the state folder cannot be read. */
  | 'ERR_LOCAL_CLUSTER_STATE'
  /** A listener could not be opened. */
  | 'ERR_LOCAL_CLUSTER_LISTEN';

const brand: unique symbol = Symbol.for('@ambit/local-cluster.LocalClusterError');

/** Every failure of the local cluster itself. `code` is stable; `message` is for people and may change. */
export class LocalClusterError extends Error {
  override readonly name = 'LocalClusterError';
  readonly [brand] = true;
  readonly code: LocalClusterErrorCode;
  /** What the operator should check first, when we can guess it. */
  readonly hint: string | undefined;

  constructor(code: LocalClusterErrorCode, message: string, options?: ErrorOptions & { hint?: string }) {
    super(message, options);
    this.code = code;
    this.hint = options?.hint;
  }

  static is(error: unknown): error is LocalClusterError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}
