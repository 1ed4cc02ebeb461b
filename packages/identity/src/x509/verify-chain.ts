// Builds a path from a leaf to a trusted root and judges it. In: certificates, a time, a purpose. Out: the path, or a refusal.
// Called by trust-store.ts and certificate-authority.ts; pure, any thread. RFC 5280 section 6, the part that workload
// certificates use: names, signatures, times, CA constraints, key usage, extended key usage, unknown critical extensions.

import { IdentityError } from '../errors.ts';
import { OID } from './asn1.ts';
import { DIGITAL_SIGNATURE, KEY_CERT_SIGN } from './read-certificate.ts';
import type { Certificate } from './read-certificate.ts';

/** Most certificates in a path, leaf and root included. */
export const MAX_PATH_LENGTH = 8;
/** Most signature checks for one chain: bounds the work that a hostile list of intermediates can cause. */
const maxSignatureChecks = 32;

/** What the leaf is used for: the peer acts as TLS server or as TLS client; `any` for a CA's own chain. */
export type Purpose = 'server' | 'client' | 'any';

/** Leaf first, root last; at least one element. */
export type CertificatePath = readonly [Certificate, ...Certificate[]];

interface Search {
  readonly intermediates: readonly Certificate[];
  readonly roots: readonly Certificate[];
  readonly now: number;
  checksLeft: number;
  refusal: IdentityError | undefined;
}

/**
 * Finds a path from `leaf` to one of `roots`. Throws ERR_IDENTITY_EXPIRED (outside its validity), ERR_IDENTITY_WRONG_PURPOSE
 * (usage extensions), ERR_IDENTITY_UNTRUSTED_CHAIN (everything else).
 */
export function verifyChain(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  options: { readonly now: number; readonly purpose: Purpose },
): CertificatePath {
  checkLeaf(leaf, options);
  const search: Search = { intermediates, roots, now: options.now, checksLeft: maxSignatureChecks, refusal: undefined };
  const path = extend(search, [leaf]);
  if (path !== undefined) return path;
  throw search.refusal ?? untrusted('no path from the peer certificate to a trusted root');
}

function checkLeaf(leaf: Certificate, options: { readonly now: number; readonly purpose: Purpose }): void {
  const late = validityRefusal(leaf, options.now);
  if (late !== undefined) throw late;
  if (leaf.unknownCritical !== undefined)
    throw untrusted(`critical extension ${leaf.unknownCritical} is not understood`);
  if (options.purpose === 'any') return;
  if (leaf.isCa) throw wrongPurpose('a CA certificate was presented as a workload certificate');
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & DIGITAL_SIGNATURE) === 0) {
    throw wrongPurpose('key usage does not allow digital signatures');
  }
  const needed = options.purpose === 'server' ? OID.serverAuth : OID.clientAuth;
  const usages = leaf.extendedKeyUsage;
  if (usages !== undefined && !usages.includes(needed) && !usages.includes(OID.anyExtendedKeyUsage)) {
    throw wrongPurpose(`extended key usage does not allow a TLS ${options.purpose}`);
  }
}

function extend(search: Search, path: CertificatePath): CertificatePath | undefined {
  const last = path.at(-1) ?? path[0];
  for (const root of search.roots) {
    if (root.fingerprint === last.fingerprint && path.length > 1) return path;
    if (canIssue(search, root, last, path)) return [...path, root];
  }
  if (path.length >= MAX_PATH_LENGTH - 1) return undefined;
  for (const candidate of search.intermediates) {
    if (path.some((used) => used.fingerprint === candidate.fingerprint)) continue;
    if (!canIssue(search, candidate, last, path)) continue;
    const found = extend(search, [...path, candidate]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether `issuer` may and did sign `subject`, the last element of `path`. Cheap tests first, the signature last. */
function canIssue(search: Search, issuer: Certificate, subject: Certificate, path: CertificatePath): boolean {
  if (issuer.subject !== subject.issuer || !keyIdentifiersAgree(issuer, subject)) return false;
  const refusal = issuerRefusal(issuer, path, search.now);
  if (refusal !== undefined) {
    search.refusal ??= refusal;
    return false;
  }
  search.checksLeft -= 1;
  if (search.checksLeft < 0) {
    search.refusal = untrusted(`more than ${maxSignatureChecks} signature checks for one chain`);
    return false;
  }
  return subject.isSignedBy(issuer.publicKey);
}

function issuerRefusal(issuer: Certificate, path: CertificatePath, now: number): IdentityError | undefined {
  if (!issuer.isCa) return untrusted('the issuer is not a CA');
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_CERT_SIGN) === 0) {
    return untrusted('the issuer may not sign certificates');
  }
  if (issuer.unknownCritical !== undefined) {
    return untrusted(`critical extension ${issuer.unknownCritical} of the issuer is not understood`);
  }
  const casBelow = path.slice(1).filter((certificate) => certificate.issuer !== certificate.subject).length;
  if (issuer.pathLength !== undefined && casBelow > issuer.pathLength) {
    return untrusted(`the issuer allows ${issuer.pathLength} CAs below it, the chain has ${casBelow}`);
  }
  return validityRefusal(issuer, now);
}

function keyIdentifiersAgree(issuer: Certificate, subject: Certificate): boolean {
  const { subjectKeyIdentifier } = issuer;
  const { authorityKeyIdentifier } = subject;
  return (
    subjectKeyIdentifier === undefined ||
    authorityKeyIdentifier === undefined ||
    subjectKeyIdentifier === authorityKeyIdentifier
  );
}

function validityRefusal(certificate: Certificate, now: number): IdentityError | undefined {
  if (now < certificate.notBefore) {
    const seconds = Math.ceil((certificate.notBefore - now) / 1000);
    return expired(`certificate ${certificate.serial} is not valid yet, it starts in ${seconds} s`);
  }
  if (now > certificate.notAfter) {
    const seconds = Math.ceil((now - certificate.notAfter) / 1000);
    return expired(`certificate ${certificate.serial} expired ${seconds} s ago`);
  }
  return undefined;
}

function expired(message: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_EXPIRED', message, { hint: 'compare the clocks of both nodes' });
}

function wrongPurpose(message: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_WRONG_PURPOSE', message);
}

function untrusted(message: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_UNTRUSTED_CHAIN', message, {
    hint: 'compare the root certificates of both sides: kubectl get configmap istio-ca-root-cert',
  });
}
