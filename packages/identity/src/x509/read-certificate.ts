// Reads one X.509 certificate. In: DER from a peer, a CA or a file. Out: the facts that chain building needs.
// Called by verify-chain.ts, certificate-authority.ts and ca-client.ts; pure, any thread. Throws on anything malformed.

import { X509Certificate, createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { IdentityError } from '../errors.ts';
import { isStrongKey, signatureAlgorithmOf } from './algorithm.ts';
import { AsnType, OID, bytesOf, childrenOf, isContext, isUniversal, oidOf, readDer, timeOf, writeDer } from './asn1.ts';
import type { Asn1Node } from './asn1.ts';
import { decodeSubjectAltNames } from './subject-alt-name.ts';
import type { SubjectAltNames } from './subject-alt-name.ts';

/** The facts of one certificate. */
export interface Certificate {
  readonly der: Buffer;
  /** SHA-256 over the DER, hexadecimal. */
  readonly fingerprint: string;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** Distinguished names as latin1 text of their DER: comparable with `===`. */
  readonly issuer: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly isCa: boolean;
  /** How many CAs may follow below. */
  readonly pathLength: number | undefined;
  /** Key usage bits of the first byte, `undefined` = not restricted. */
  readonly keyUsage: number | undefined;
  /** Extended key usage identifiers, `undefined` = not restricted. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly names: SubjectAltNames;
  readonly subjectKeyIdentifier: string | undefined;
  readonly authorityKeyIdentifier: string | undefined;
  /** A critical extension that this code does not evaluate; such a certificate must be refused. */
  readonly unknownCritical: string | undefined;
  /** Whether `signer` made the signature. */
  isSignedBy(signer: KeyObject): boolean;
}

/** Key usage bit of the first byte: may sign certificates. */
export const KEY_CERT_SIGN = 0b0000_0100;
/** Key usage bit of the first byte: may sign handshakes. */
export const DIGITAL_SIGNATURE = 0b1000_0000;

type Facts = {
  -readonly [
    K in
      | 'isCa'
      | 'pathLength'
      | 'keyUsage'
      | 'extendedKeyUsage'
      | 'names'
      | 'subjectKeyIdentifier'
      | 'authorityKeyIdentifier'
      | 'unknownCritical'
  ]: Certificate[K];
};

/** Reads a certificate; throws ERR_IDENTITY_INVALID_CERTIFICATE. Weak keys and SHA-1 signatures are refused here. */
export function readCertificate(der: Buffer): Certificate {
  try {
    return read(der);
  } catch (cause) {
    if (IdentityError.is(cause)) throw cause;
    throw new IdentityError('ERR_IDENTITY_INVALID_CERTIFICATE', `a certificate of ${der.length} bytes cannot be read`, {
      cause,
    });
  }
}

function read(der: Buffer): Certificate {
  const [tbs, algorithmIdentifier] = childrenOf(readDer(der));
  const fields = childrenOf(tbs);
  const first = fields[0];
  const offset = first !== undefined && isContext(first, 0) ? 1 : 0;
  const [serial, , issuer, validity, subject] = fields.slice(offset);
  if (issuer === undefined || subject === undefined) throw new Error('names are missing');
  if (signatureAlgorithmOf(algorithmIdentifier) === undefined)
    throw new Error('the signature algorithm is not accepted');
  const [notBefore, notAfter] = childrenOf(validity);
  const native = new X509Certificate(der);
  if (!isStrongKey(native.publicKey)) throw new Error('the public key is of a weak or unknown type');
  return {
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    serial: hexOfInteger(bytesOf(serial)),
    issuer: writeDer(issuer).toString('latin1'),
    subject: writeDer(subject).toString('latin1'),
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    publicKey: native.publicKey,
    ...extensionFacts(fields.find((field) => isContext(field, 3))),
    isSignedBy: (signer) => native.verify(signer),
  };
}

/** Integer content bytes as lower-case hexadecimal without leading zeros. */
export function hexOfInteger(bytes: Buffer): string {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  return bytes.subarray(start).toString('hex');
}

function extensionFacts(wrapper: Asn1Node | undefined): Facts {
  const facts: Facts = {
    isCa: false,
    pathLength: undefined,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    names: { uris: [], dnsNames: [], ipHex: [] },
    subjectKeyIdentifier: undefined,
    authorityKeyIdentifier: undefined,
    unknownCritical: undefined,
  };
  const seen = new Set<string>();
  for (const node of wrapper === undefined ? [] : childrenOf(childrenOf(wrapper)[0])) {
    const parts = childrenOf(node);
    const id = oidOf(parts[0]);
    if (seen.has(id)) throw new Error(`extension ${id} appears twice`);
    seen.add(id);
    const critical = parts.some((part) => isUniversal(part, AsnType.BOOLEAN) && bytesOf(part)[0] !== 0);
    const isKnown = readExtension(facts, id, bytesOf(parts.at(-1)));
    if (critical && !isKnown) facts.unknownCritical ??= id;
  }
  return facts;
}

function readExtension(facts: Facts, id: string, value: Buffer): boolean {
  switch (id) {
    case OID.basicConstraints:
      readBasicConstraints(facts, value);
      return true;
    case OID.keyUsage:
      facts.keyUsage = bytesOf(readDer(value))[1] ?? 0;
      return true;
    case OID.extendedKeyUsage:
      facts.extendedKeyUsage = childrenOf(readDer(value)).map((usage) => oidOf(usage));
      return true;
    case OID.subjectAltName:
      facts.names = decodeSubjectAltNames(value);
      return true;
    case OID.subjectKeyIdentifier:
      facts.subjectKeyIdentifier = bytesOf(readDer(value)).toString('hex');
      return true;
    case OID.authorityKeyIdentifier: {
      const key = childrenOf(readDer(value)).find((part) => isContext(part, 0));
      facts.authorityKeyIdentifier = key === undefined ? undefined : bytesOf(key).toString('hex');
      return true;
    }
    default:
      return false;
  }
}

function readBasicConstraints(facts: Facts, value: Buffer): void {
  for (const part of childrenOf(readDer(value))) {
    if (isUniversal(part, AsnType.BOOLEAN)) facts.isCa = bytesOf(part)[0] !== 0;
    else if (isUniversal(part, AsnType.INTEGER)) facts.pathLength = Number(`0x${hexOfInteger(bytesOf(part)) || '0'}`);
  }
}
