// Signing by another system behind the CA API (spec/control-plane.md 5.1, 5.6). In: a CSR and the names its sender may use. Out: a chain that
// was checked against the request and our roots. The system itself is a backend of the control plane; no I/O here, any thread.
// An external system certifies what stands in the CSR, not what we tell it: so the names in the CSR must be the allowed ones.

import type { CertificateSigner, IssuedChain } from './ca-service.ts';
import { DEFAULT_LEAF_TTL_MS, MAX_LEAF_TTL_MS } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';
import { parseCsr } from './x509/csr.ts';
import type { Csr } from './x509/csr.ts';
import { certificatesOfPem, toPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';
import type { SubjectAltNames } from './x509/subject-alt-name.ts';
import { decodeSubjectAltNames, encodeSubjectAltNames } from './x509/subject-alt-name.ts';
import { verifyChain } from './x509/verify-chain.ts';

/** Most requests that wait for the other system at the same time; more are refused. */
export const MAX_REQUESTS_UNDER_WAY = 256;

/** One request to the other system. */
export interface SigningRequest {
  readonly csrPem: string;
  readonly ttlMs: number;
  /** Which of several signers the requester wants (metadata `CertSigner`). */
  readonly signerName: string | undefined;
}

/** How one kind of system is asked. */
export interface SigningBackend {
  /**
   * The certificates of the answer in PEM, the leaf first. Rejects with IdentityError: ERR_IDENTITY_CA_UNREACHABLE, ERR_IDENTITY_CA_REFUSED,
   * ERR_IDENTITY_CA_BAD_RESPONSE, or ERR_IDENTITY_INVALID_CSR when the request itself cannot be passed on.
   */
  sign(request: SigningRequest): Promise<string>;
}

/** Settings of {@link createExternalSigner}. */
export interface ExternalSignerOptions {
  readonly backend: SigningBackend;
  /** Every trusted root in PEM, for a signer; what comes back must lead to one of them. */
  readonly rootPem: (signerName: string | undefined) => string;
  /** Default 24 h. */
  readonly defaultTtlMs?: number;
  /** Default 90 days. */
  readonly maxTtlMs?: number;
  /** Told about the certificates between leaf and root of every answer, in PEM. */
  readonly onIntermediates?: (pem: string) => void;
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

/** A signer that asks a backend and believes nothing of its answer that it has not checked. */
export function createExternalSigner(options: ExternalSignerOptions): CertificateSigner {
  const { backend, rootPem, maxTtlMs = MAX_LEAF_TTL_MS, now = Date.now } = options;
  const defaultTtlMs = Math.min(options.defaultTtlMs ?? DEFAULT_LEAF_TTL_MS, maxTtlMs);
  let underWay = 0;
  return {
    async issue(csrPem, names, ttlMs, signerName) {
      if (ttlMs > maxTtlMs) {
        throw new IdentityError(
          'ERR_IDENTITY_TTL_TOO_LONG',
          `requested life of ${ttlMs / 1000} s is over the maximum of ${maxTtlMs / 1000} s`,
        );
      }
      const csr = parseCsr(csrPem);
      if (!sameNames(csr.requestedNames, namesOf(names))) {
        throw new IdentityError('ERR_IDENTITY_INVALID_CSR', 'unable to validate SAN Identities in CSR');
      }
      if (underWay >= MAX_REQUESTS_UNDER_WAY) {
        throw new IdentityError('ERR_IDENTITY_CA_REFUSED', `${underWay} requests wait for the external signer`);
      }
      underWay += 1;
      try {
        const answer = await backend.sign({ csrPem, ttlMs: ttlMs > 0 ? ttlMs : defaultTtlMs, signerName });
        const chain = checkedChain(answer, csr, names, rootPem(signerName), now());
        if (chain.chainPem.length > 2) options.onIntermediates?.(chain.chainPem.slice(1, -1).join(''));
        return chain;
      } finally {
        underWay -= 1;
      }
    },
  };
}

/** Leaf, intermediates, roots; throws ERR_IDENTITY_CA_BAD_RESPONSE for an answer to another question, or without a path to our roots. */
function checkedChain(answer: string, csr: Csr, names: readonly string[], rootPem: string, now: number): IssuedChain {
  try {
    const [leaf, ...others] = certificatesOfPem(answer).map((der) => readCertificate(der));
    if (leaf === undefined) throw badResponse('it holds no certificate');
    if (!leaf.publicKey.equals(csr.publicKey)) throw badResponse('the certificate is for another key');
    if (!sameNames(leaf.names, namesOf(names))) throw badResponse('the certificate is for other names');
    const roots = certificatesOfPem(rootPem).map((der) => readCertificate(der));
    const known = new Set(roots.map((root) => root.fingerprint));
    const intermediates = others.filter((certificate) => !known.has(certificate.fingerprint));
    const path = verifyChain(leaf, intermediates, roots, { now, purpose: 'client' });
    // Only what is on the path: a system may send its whole history.
    const between = path.slice(1).filter((certificate) => !known.has(certificate.fingerprint));
    return { chainPem: [toPem('CERTIFICATE', leaf.der), ...between.map((c) => toPem('CERTIFICATE', c.der)), rootPem] };
  } catch (cause) {
    if (IdentityError.is(cause) && cause.code === 'ERR_IDENTITY_CA_BAD_RESPONSE') throw cause;
    throw badResponse('it cannot be used', cause);
  }
}

const namesOf = (names: readonly string[]): SubjectAltNames => decodeSubjectAltNames(encodeSubjectAltNames(names));

function sameNames(a: SubjectAltNames, b: SubjectAltNames): boolean {
  return (['uris', 'dnsNames', 'ipHex'] as const).every(
    (kind) => a[kind].length === b[kind].length && a[kind].every((name) => b[kind].includes(name)),
  );
}

function badResponse(why: string, cause?: unknown): IdentityError {
  return new IdentityError('ERR_IDENTITY_CA_BAD_RESPONSE', `answer of the external signer: ${why}`, {
    cause,
    hint: 'do the roots in caCertificates of the mesh configuration belong to this signer?',
  });
}
