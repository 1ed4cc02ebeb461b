// The signing half of the certificate authority. In: CSRs and the names that authentication allows. Out: leaf certificates.
// Called by the control plane (ca-service.ts), the embedded local cluster and tests; synchronous, any thread, no I/O.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { IdentityError } from './errors.ts';
import { buildCertificate, buildName } from './x509/build-certificate.ts';
import type { Signer } from './x509/build-certificate.ts';
import { describeKey, signingAlgorithmFor } from './x509/algorithm.ts';
import { parseCsr } from './x509/csr.ts';
import { certificatesOfPem, toPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';
import type { Certificate } from './x509/read-certificate.ts';
import { verifyChain } from './x509/verify-chain.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** How far certificates are dated back, for clocks that differ (decision W6). */
export const CLOCK_SKEW_MS = 2 * minuteMs;
/** Life of a leaf when the requester names none: 24 h (`DEFAULT_WORKLOAD_CERT_TTL`). */
export const DEFAULT_LEAF_TTL_MS = 24 * hourMs;
/** Longest life of a leaf: 90 days (`MAX_WORKLOAD_CERT_TTL`). */
export const MAX_LEAF_TTL_MS = 90 * 24 * hourMs;

const longestCommonName = 64;

/** The files of a CA as PEM text. `keyPem` must never be logged. */
export interface SignerMaterial {
  /** The certificate that signs: a root or an intermediate. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Intermediates from the signer towards the root, the signer first; empty for a self-signed root. */
  readonly chainPem: string;
  /** Every trusted root. */
  readonly rootPem: string;
}

/** Settings of an authority. */
export interface CertificateAuthorityOptions {
  readonly material: SignerMaterial;
  /** Default 24 h, cut to the signer's remaining life. */
  readonly defaultTtlMs?: number;
  /** Default 90 days. */
  readonly maxTtlMs?: number;
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
}

/** A signed leaf and what goes with it, in the order of the CA API (spec/control-plane.md 5.2). */
export interface IssuedCertificate {
  /** Leaf, each intermediate as its own text, the whole root bundle last. */
  readonly chainPem: readonly [string, ...string[]];
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Signs leaf certificates. */
export interface CertificateAuthority {
  /** Every trusted root. */
  readonly rootPem: string;
  /** The signer's own certificate: its validity decides when to rotate. */
  readonly signer: Certificate;
  /**
   * Signs the key of a CSR for the given names (identity URIs, DNS names, IPs); names inside the CSR do not count.
   * `ttlMs` <= 0 or absent = default. Throws ERR_IDENTITY_INVALID_CSR, ERR_IDENTITY_TTL_TOO_LONG, or
   * ERR_IDENTITY_INVALID_SIGNER when the signer itself has expired.
   */
  issue(csrPem: string, names: readonly string[], ttlMs?: number): IssuedCertificate;
}

/**
 * Loads CA material and checks it: the key belongs to the certificate, the certificate is a CA, the chain reaches a root.
 * RSA (>= 2048 bits), P-256 and P-384 signers are accepted. Throws ERR_IDENTITY_INVALID_SIGNER.
 */
export function createCertificateAuthority(options: CertificateAuthorityOptions): CertificateAuthority {
  const now = options.now ?? Date.now;
  const { material } = options;
  const certificate = singleCertificate(material.certPem);
  const privateKey = readPrivateKey(material.keyPem);
  checkMaterial(material, certificate, privateKey, now());
  const signer = signerOf(certificate, privateKey);
  const intermediates = certificatesOfPem(material.chainPem).map((der) => toPem('CERTIFICATE', der));
  const maxTtlMs = options.maxTtlMs ?? MAX_LEAF_TTL_MS;
  const defaultTtlMs = Math.min(options.defaultTtlMs ?? DEFAULT_LEAF_TTL_MS, maxTtlMs);

  const issue = (csrPem: string, names: readonly string[], ttlMs = 0): IssuedCertificate => {
    if (ttlMs > maxTtlMs) throw ttlTooLong(ttlMs, maxTtlMs);
    const csr = parseCsr(csrPem);
    const at = now();
    if (at >= certificate.notAfter) throw invalidSigner('the certificate of the CA has expired');
    const commonName = csr.hasCommonName ? names[0] : undefined;
    const leaf = buildCertificate(
      {
        kind: 'leaf',
        subjectDer:
          commonName === undefined || commonName.length > longestCommonName ? buildName({}) : buildName({ commonName }),
        publicKeyDer: csr.publicKeyDer,
        notBefore: at - CLOCK_SKEW_MS,
        notAfter: Math.min(at + (ttlMs > 0 ? ttlMs : defaultTtlMs), certificate.notAfter),
        names,
      },
      signer,
    );
    const { serial, notBefore, notAfter } = readCertificate(leaf);
    return { chainPem: [toPem('CERTIFICATE', leaf), ...intermediates, material.rootPem], serial, notBefore, notAfter };
  };
  return { rootPem: material.rootPem, signer: certificate, issue };
}

/** Builds a signer from a checked CA certificate and its key. */
export function signerOf(certificate: Certificate, privateKey: KeyObject): Signer {
  return {
    nameDer: Buffer.from(certificate.subject, 'latin1'),
    privateKey,
    publicKey: certificate.publicKey,
    keyIdentifier:
      certificate.subjectKeyIdentifier === undefined ? undefined : Buffer.from(certificate.subjectKeyIdentifier, 'hex'),
  };
}

/** Reads a private key in PEM; throws ERR_IDENTITY_INVALID_KEY without repeating any of it. */
export function readPrivateKey(keyPem: string): KeyObject {
  try {
    const key = createPrivateKey(keyPem);
    signingAlgorithmFor(createPublicKey(key));
    return key;
  } catch (cause) {
    if (IdentityError.is(cause)) throw cause;
    throw new IdentityError('ERR_IDENTITY_INVALID_KEY', 'the private key cannot be read');
  }
}

function checkMaterial(material: SignerMaterial, certificate: Certificate, privateKey: KeyObject, now: number): void {
  if (!certificate.isCa) throw invalidSigner('the certificate of the CA does not say CA:TRUE');
  if (!createPublicKey(privateKey).equals(certificate.publicKey)) {
    throw invalidSigner(`the ${describeKey(privateKey)} key does not belong to the certificate of the CA`);
  }
  const roots = certificatesOfPem(material.rootPem).map((der) => readCertificate(der));
  if (roots.some((root) => root.fingerprint === certificate.fingerprint)) return;
  const intermediates = certificatesOfPem(material.chainPem).map((der) => readCertificate(der));
  try {
    verifyChain(certificate, intermediates, roots, { now, purpose: 'any' });
  } catch (cause) {
    throw invalidSigner('the certificate of the CA does not lead to the root certificate', cause);
  }
}

function singleCertificate(pem: string): Certificate {
  const [der] = certificatesOfPem(pem);
  if (der === undefined) throw invalidSigner('the CA has no certificate');
  return readCertificate(der);
}

function ttlTooLong(ttlMs: number, maxTtlMs: number): IdentityError {
  return new IdentityError(
    'ERR_IDENTITY_TTL_TOO_LONG',
    `requested life of ${ttlMs / 1000} s is over the maximum of ${maxTtlMs / 1000} s`,
  );
}

function invalidSigner(message: string, cause?: unknown): IdentityError {
  return new IdentityError('ERR_IDENTITY_INVALID_SIGNER', message, { cause });
}
