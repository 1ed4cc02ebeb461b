// Writes and signs X.509 v3 certificates. In: a profile, a public key, a signer. Out: DER.
// Called by certificate-authority.ts; pure, any thread. The only place that signs certificates.

import { createHash, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { algorithmNode, signingAlgorithmFor } from './algorithm.ts';
import {
  OID,
  bitString,
  bitStringBytes,
  boolean,
  childrenOf,
  contextConstructed,
  contextPrimitive,
  octetString,
  oid,
  readDer,
  sequence,
  setOf,
  time,
  unsignedInteger,
  utf8String,
  writeDer,
} from './asn1.ts';
import type { Asn1Node } from './asn1.ts';
import { encodeSubjectAltNames } from './subject-alt-name.ts';

/** Who signs: the subject name as DER, its key, its key identifier when it has one. */
export interface Signer {
  readonly nameDer: Uint8Array;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly keyIdentifier: Uint8Array | undefined;
}

/** What the certificate says. */
export interface CertificateProfile {
  readonly kind: 'leaf' | 'ca';
  readonly subjectDer: Uint8Array;
  readonly publicKeyDer: Uint8Array;
  /** Milliseconds since the epoch, written with a resolution of one second. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** subjectAltName texts; none = no extension. */
  readonly names: readonly string[];
  /** CA only: how many CAs may follow below; `undefined` = no limit. */
  readonly pathLength?: number;
}

const keyUsageLeaf = bitString(Buffer.of(0b1010_0000), 5); // digitalSignature, keyEncipherment
const keyUsageCa = bitString(Buffer.of(0b0000_0110), 1); // keyCertSign, cRLSign

/** Builds and signs a certificate with a random 128-bit positive serial. */
export function buildCertificate(profile: CertificateProfile, signer: Signer): Buffer {
  const algorithm = signingAlgorithmFor(signer.publicKey);
  const tbs = sequence(
    contextConstructed(0, unsignedInteger(Buffer.of(2))),
    unsignedInteger(randomSerial()),
    algorithmNode(algorithm),
    readDer(signer.nameDer),
    sequence(time(profile.notBefore), time(profile.notAfter)),
    readDer(profile.subjectDer),
    readDer(profile.publicKeyDer),
    contextConstructed(3, sequence(...extensionsOf(profile, signer))),
  );
  const signature = sign(algorithm.hash, writeDer(tbs), signer.privateKey);
  return writeDer(sequence(tbs, algorithmNode(algorithm), bitString(signature)));
}

/** A distinguished name of the given parts; none = the empty name. */
export function buildName(parts: { readonly organization?: string; readonly commonName?: string }): Buffer {
  const sets: Asn1Node[] = [];
  if (parts.organization !== undefined) sets.push(attribute(OID.organization, parts.organization));
  if (parts.commonName !== undefined) sets.push(attribute(OID.commonName, parts.commonName));
  return writeDer(sequence(...sets));
}

/** Key identifier of a public key: the first 160 bits of SHA-256 over its bits (RFC 7093 section 2, method 1). */
export function keyIdentifierOf(publicKeyDer: Uint8Array): Buffer {
  const bits = bitStringBytes(childrenOf(readDer(publicKeyDer))[1]);
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}

function extensionsOf(profile: CertificateProfile, signer: Signer): Asn1Node[] {
  const extensions =
    profile.kind === 'ca'
      ? [
          extension(OID.keyUsage, true, keyUsageCa),
          extension(OID.basicConstraints, true, caConstraints(profile.pathLength)),
          extension(OID.subjectKeyIdentifier, false, octetString(keyIdentifierOf(profile.publicKeyDer))),
        ]
      : [
          extension(OID.keyUsage, true, keyUsageLeaf),
          extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
          extension(OID.basicConstraints, true, sequence()),
        ];
  if (signer.keyIdentifier !== undefined) {
    extensions.push(extension(OID.authorityKeyIdentifier, false, sequence(contextPrimitive(0, signer.keyIdentifier))));
  }
  if (profile.names.length > 0) {
    extensions.push(rawExtension(OID.subjectAltName, true, encodeSubjectAltNames(profile.names)));
  }
  return extensions;
}

function caConstraints(pathLength: number | undefined): Asn1Node {
  return pathLength === undefined
    ? sequence(boolean(true))
    : sequence(boolean(true), unsignedInteger(Buffer.of(pathLength)));
}

function extension(id: string, critical: boolean, value: Asn1Node): Asn1Node {
  return rawExtension(id, critical, writeDer(value));
}

function rawExtension(id: string, critical: boolean, der: Uint8Array): Asn1Node {
  return critical ? sequence(oid(id), boolean(true), octetString(der)) : sequence(oid(id), octetString(der));
}

function attribute(id: string, value: string): Asn1Node {
  return setOf(sequence(oid(id), utf8String(value)));
}

function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and never shorter than 16 bytes
  return serial;
}
