// The one error class of this package. In: a stable code, words for people, a cause. Out: an Error that every caller can
// recognise without importing this copy of the package. Any thread.

/** Every code that this package raises; stable, documented in the README. */
export type IdentityErrorCode =
  | 'ERR_IDENTITY_INVALID_PEM'
  | 'ERR_IDENTITY_INVALID_CERTIFICATE'
  | 'ERR_IDENTITY_INVALID_CSR'
  | 'ERR_IDENTITY_INVALID_CRL'
  | 'ERR_IDENTITY_INVALID_KEY'
  | 'ERR_IDENTITY_INVALID_ROOTS'
  | 'ERR_IDENTITY_INVALID_SIGNER'
  | 'ERR_IDENTITY_TTL_TOO_LONG'
  | 'ERR_IDENTITY_NO_PEER_CERTIFICATE'
  | 'ERR_IDENTITY_UNTRUSTED_CHAIN'
  | 'ERR_IDENTITY_EXPIRED'
  | 'ERR_IDENTITY_WRONG_PURPOSE'
  | 'ERR_IDENTITY_REVOKED'
  | 'ERR_IDENTITY_NO_SPIFFE_ID'
  | 'ERR_IDENTITY_WRONG_TRUST_DOMAIN'
  | 'ERR_IDENTITY_UNEXPECTED_PEER'
  | 'ERR_IDENTITY_CA_UNREACHABLE'
  | 'ERR_IDENTITY_CA_REFUSED'
  | 'ERR_IDENTITY_CA_BAD_RESPONSE'
  | 'ERR_IDENTITY_FORGOTTEN'
  | 'ERR_IDENTITY_CLOSED';

const brand: unique symbol = Symbol.for('@ambit/identity.IdentityError');

/** Every failure of this package. `code` is stable; `message` is for people and may change; never holds key material. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly [brand] = true;
  readonly code: IdentityErrorCode;
  /** What the operator should check first, when it can be guessed. */
  readonly hint: string | undefined;

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions & { hint?: string }) {
    super(message, options);
    this.code = code;
    this.hint = options?.hint;
  }

  /** Recognises the error also when it was made by another copy of this package. */
  static is(error: unknown): error is IdentityError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}
