// In: what went wrong on a discovery stream. Out: one error class with closed codes. Any thread.
import { CodedError, type CodedErrorOptions } from '@ambit/runtime/errors';

/** Codes of {@link XdsError}. */
export type XdsErrorCode =
  /** The control plane could not be reached in time or refused the connection. */
  | 'ERR_XDS_CONNECT'
  /** An established stream ended with a gRPC status. */
  | 'ERR_XDS_STREAM'
  /** Credentials (roots, token) could not be read. */
  | 'ERR_XDS_CREDENTIALS'
  /** The client or server was closed. */
  | 'ERR_XDS_CLOSED'
  /** A type URL without a subscription on this client. */
  | 'ERR_XDS_UNKNOWN_TYPE'
  /** The caller could not be authenticated; gRPC UNAUTHENTICATED. */
  | 'ERR_XDS_UNAUTHENTICATED'
  /** The caller is known but may not do this; gRPC PERMISSION_DENIED. */
  | 'ERR_XDS_PERMISSION_DENIED'
  /** A request that makes no sense; gRPC INVALID_ARGUMENT. */
  | 'ERR_XDS_INVALID_REQUEST'
  /** A peer or configuration that this server cannot serve; gRPC FAILED_PRECONDITION. */
  | 'ERR_XDS_UNSUPPORTED_CLIENT'
  /** A limit was passed; gRPC RESOURCE_EXHAUSTED. */
  | 'ERR_XDS_LIMIT'
  /** The server has nothing to serve yet, or is shutting down; gRPC UNAVAILABLE. */
  | 'ERR_XDS_NOT_READY';

/** Every failure of the discovery client and server. `code` is stable; `message` is for people. */
export class XdsError extends CodedError<XdsErrorCode> {
  override readonly name = 'XdsError';

  constructor(code: XdsErrorCode, message: string, options?: CodedErrorOptions) {
    super(code, message, options);
  }
}
