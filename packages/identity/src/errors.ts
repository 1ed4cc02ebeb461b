// The one error class of this package. In: a stable code, words for people, a cause. Out: an Error that every caller can
// recognise without importing this copy of the package. Any thread.

import { CodedError } from '@ambit/runtime/errors';

/** Every code that this package raises; stable, listed in packages/docs/errors.md. */
export type IdentityErrorCode =
  /** A text is not PEM, or lacks the block that is needed. */
  | 'ERR_IDENTITY_INVALID_PEM'
  /** A certificate cannot be read. */
  | 'ERR_IDENTITY_INVALID_CERTIFICATE'
  /** A certificate signing request cannot be read, or its signature does not fit its key. */
  | 'ERR_IDENTITY_INVALID_CSR'
  /** A certificate revocation list cannot be read. */
  | 'ERR_IDENTITY_INVALID_CRL'
  /** A private key cannot be read or cannot sign certificates. */
  | 'ERR_IDENTITY_INVALID_KEY'
  /** No root certificate of a trust bundle can be used. */
  | 'ERR_IDENTITY_INVALID_ROOTS'
  /** Key and certificates of an authority do not belong together, or have expired. */
  | 'ERR_IDENTITY_INVALID_SIGNER'
  /** A certificate was asked for that lives longer than the authority allows. */
  | 'ERR_IDENTITY_TTL_TOO_LONG'
  /** The peer sent no certificate. */
  | 'ERR_IDENTITY_NO_PEER_CERTIFICATE'
  /** No path leads from the peer certificate to a root that is trusted. */
  | 'ERR_IDENTITY_UNTRUSTED_CHAIN'
  /** A certificate of the path is not valid yet or not any more. */
  | 'ERR_IDENTITY_EXPIRED'
  /** The peer certificate may not be used as a TLS client or server, or is the one of an authority. */
  | 'ERR_IDENTITY_WRONG_PURPOSE'
  /** The revocation list names a certificate of the path. */
  | 'ERR_IDENTITY_REVOKED'
  /** The peer certificate does not carry exactly one identity. */
  | 'ERR_IDENTITY_NO_SPIFFE_ID'
  /** The peer belongs to another trust domain. */
  | 'ERR_IDENTITY_WRONG_TRUST_DOMAIN'
  /** The peer proved an identity, but not the one that was expected here. */
  | 'ERR_IDENTITY_UNEXPECTED_PEER'
  /** The certificate authority could not be reached. */
  | 'ERR_IDENTITY_CA_UNREACHABLE'
  /** The certificate authority refused to sign. */
  | 'ERR_IDENTITY_CA_REFUSED'
  /** The answer of the certificate authority cannot be used. */
  | 'ERR_IDENTITY_CA_BAD_RESPONSE'
  /** The identity was given up while its certificate was being fetched. */
  | 'ERR_IDENTITY_FORGOTTEN'
  /** The certificate manager is closed. */
  | 'ERR_IDENTITY_CLOSED';

/** Every failure of this package. `code` is stable; `message` is for people and may change; never holds key material. */
export class IdentityError extends CodedError<IdentityErrorCode> {
  override readonly name = 'IdentityError';

  /** True for errors of this package, also from a second copy of it. */
  static override is(error: unknown): error is IdentityError {
    return CodedError.is(error) && error.name === 'IdentityError';
  }
}
