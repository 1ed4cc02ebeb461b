// Errors of talking to the Kubernetes API: one class, a closed list of codes. Thrown by every file of this package.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link KubeError}. */
export type KubeErrorCode =
  /** The kubeconfig or the files of the service account cannot be used. */
  | 'ERR_KUBE_CONFIG'
  /** The API server could not be reached, or its answer broke off. */
  | 'ERR_KUBE_UNREACHABLE'
  /** The credentials were not accepted (401). */
  | 'ERR_KUBE_UNAUTHORIZED'
  /** The credentials are known but a role is missing (403). */
  | 'ERR_KUBE_FORBIDDEN'
  /** There is no such object or kind (404). */
  | 'ERR_KUBE_NOT_FOUND'
  /** An object of this name exists (409). */
  | 'ERR_KUBE_ALREADY_EXISTS'
  /** Somebody else changed the object first, or holds the lease (409). */
  | 'ERR_KUBE_CONFLICT'
  /** The version to watch from is too old; list again (410). */
  | 'ERR_KUBE_GONE'
  /** The API server refused the object or the request (400, 405, 415, 422). */
  | 'ERR_KUBE_INVALID'
  /** The API server asks to wait (429, 503). */
  | 'ERR_KUBE_BUSY'
  /** The answer is not what a Kubernetes API server sends, or is too long. */
  | 'ERR_KUBE_PROTOCOL';

/** Every failure of this package. `status` is the HTTP status, 0 when there was no answer. */
export class KubeError extends CodedError<KubeErrorCode> {
  override readonly name = 'KubeError';
  readonly status: number;
  constructor(code: KubeErrorCode, message: string, options: ErrorOptions & { hint?: string; status?: number } = {}) {
    super(code, message, options);
    this.status = options.status ?? 0;
  }

  /** True for a KubeError, with one of the codes when any are given. */
  static override is(error: unknown, ...codes: readonly KubeErrorCode[]): error is KubeError {
    return error instanceof KubeError && (codes.length === 0 || codes.includes(error.code));
  }
}

/** The error of an HTTP status; `text` is what the server said, `what` the request. */
export function errorOfStatus(status: number, reason: string, text: string, what: string): KubeError {
  const message = `${what}: ${text === '' ? `status ${status}` : text}`;
  const code = codeOf(status, reason);
  const hint = code === 'ERR_KUBE_FORBIDDEN' ? 'the service account lacks a role for this' : undefined;
  return new KubeError(code, message, { status, ...(hint !== undefined && { hint }) });
}

function codeOf(status: number, reason: string): KubeErrorCode {
  switch (status) {
    case 401:
      return 'ERR_KUBE_UNAUTHORIZED';
    case 403:
      return 'ERR_KUBE_FORBIDDEN';
    case 404:
      return 'ERR_KUBE_NOT_FOUND';
    case 409:
      return reason === 'AlreadyExists' ? 'ERR_KUBE_ALREADY_EXISTS' : 'ERR_KUBE_CONFLICT';
    case 410:
      return 'ERR_KUBE_GONE';
    case 429:
    case 503:
      return 'ERR_KUBE_BUSY';
    case 400:
    case 405:
    case 415:
    case 422:
      return 'ERR_KUBE_INVALID';
    default:
      return status >= 500 ? 'ERR_KUBE_UNREACHABLE' : 'ERR_KUBE_PROTOCOL';
  }
}
