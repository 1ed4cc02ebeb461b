// Certificate signing requests (PKCS#10). In: an identity, or the PEM of a peer. Out: key + CSR, or the checked contents.
// Called by the CA client (make) and the certificate authority (read); pure apart from key generation, any thread.

import { createPublicKey, generateKeyPair, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

import { IdentityError } from '../errors.ts';
import { algorithmNode, isStrongKey, signatureAlgorithmOf, signingAlgorithmFor } from './algorithm.ts';
import {
  AsnType,
  OID,
  bitString,
  bitStringBytes,
  boolean,
  bytesOf,
  childrenOf,
  contextConstructed,
  isContext,
  isUniversal,
  octetString,
  oid,
  oidOf,
  readDer,
  sequence,
  setOf,
  unsignedInteger,
  writeDer,
} from './asn1.ts';
import type { Asn1Node } from './asn1.ts';
import { pemBlocks, toPem } from './pem.ts';
import { decodeSubjectAltNames, encodeSubjectAltNames } from './subject-alt-name.ts';
import type { SubjectAltNames } from './subject-alt-name.ts';

const generateKeyPairAsync = promisify(generateKeyPair);

/** A new private key and the request that carries its public half. Never log `privateKeyPem`. */
export interface KeyAndCsr {
  /** PKCS#8 PEM. */
  readonly privateKeyPem: string;
  readonly csrPem: string;
}

/** The checked contents of a request. */
export interface Csr {
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Buffer;
  readonly hasCommonName: boolean;
  /** What the requester asked for; the authority decides by authentication, not by this. */
  readonly requestedNames: SubjectAltNames;
}

/**
 * A new P-256 key and its request: empty subject, one critical subjectAltName with `identity`, SHA-256
 * (spec/node-proxy.md 7.2). Several names are possible for serving certificates.
 */
export async function createKeyAndCsr(...identities: readonly string[]): Promise<KeyAndCsr> {
  const { privateKey, publicKey } = await generateKeyPairAsync('ec', { namedCurve: 'P-256' });
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { privateKeyPem, csrPem: buildCsr(privateKey, publicKey, identities) };
}

/**
 * Reads a request and checks its own signature. Throws ERR_IDENTITY_INVALID_CSR; accepts EC (P-256, P-384, P-521), RSA of at
 * least 2048 bits, and Ed25519 keys.
 */
export function parseCsr(csrPem: string): Csr {
  const [der, ...others] = pemBlocks(csrPem, 'CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST');
  if (der === undefined || others.length > 0)
    throw invalid(`expected one certificate request, found ${others.length + (der === undefined ? 0 : 1)}`);
  try {
    return readCsr(der);
  } catch (cause) {
    if (IdentityError.is(cause)) throw cause;
    throw invalid('the certificate request cannot be read', cause);
  }
}

function buildCsr(privateKey: KeyObject, publicKey: KeyObject, identities: readonly string[]): string {
  const algorithm = signingAlgorithmFor(publicKey);
  const names = sequence(oid(OID.subjectAltName), boolean(true), octetString(encodeSubjectAltNames(identities)));
  const info = sequence(
    unsignedInteger(Buffer.of(0)),
    sequence(),
    readDer(publicKey.export({ type: 'spki', format: 'der' })),
    contextConstructed(0, sequence(oid(OID.extensionRequest), setOf(sequence(names)))),
  );
  const signature = sign(algorithm.hash, writeDer(info), privateKey);
  return toPem('CERTIFICATE REQUEST', writeDer(sequence(info, algorithmNode(algorithm), bitString(signature))));
}

function readCsr(der: Buffer): Csr {
  const [info, algorithmIdentifier, signature] = childrenOf(readDer(der));
  const [, subject, keyInfo, ...rest] = childrenOf(info);
  if (info === undefined || keyInfo === undefined) throw invalid('the certificate request has no public key');
  const publicKeyDer = writeDer(keyInfo);
  const publicKey = createPublicKey({ key: publicKeyDer, format: 'der', type: 'spki' });
  if (!isStrongKey(publicKey)) throw invalid('the public key of the request is of a weak or unknown type');
  const algorithm = signatureAlgorithmOf(algorithmIdentifier);
  if (algorithm === undefined || algorithm.keyType !== publicKey.asymmetricKeyType) {
    throw invalid('the request is signed with an algorithm that is not accepted');
  }
  if (!verify(algorithm.hash, writeDer(info), publicKey, bitStringBytes(signature))) {
    throw invalid('the signature of the request does not match its key');
  }
  const attributes = rest.find((node) => isContext(node, 0));
  return { publicKey, publicKeyDer, hasCommonName: hasCommonName(subject), requestedNames: requestedNames(attributes) };
}

function hasCommonName(subject: Asn1Node | undefined): boolean {
  return childrenOf(subject).some((set) =>
    childrenOf(set).some((attribute) => oidOf(childrenOf(attribute)[0]) === OID.commonName),
  );
}

function requestedNames(attributes: Asn1Node | undefined): SubjectAltNames {
  for (const attribute of attributes === undefined ? [] : childrenOf(attributes)) {
    const [type, values] = childrenOf(attribute);
    if (oidOf(type) !== OID.extensionRequest) continue;
    for (const extension of childrenOf(childrenOf(values)[0])) {
      const parts = childrenOf(extension);
      if (oidOf(parts[0]) !== OID.subjectAltName) continue;
      const value = parts.find((part) => isUniversal(part, AsnType.OCTETSTRING));
      return decodeSubjectAltNames(bytesOf(value));
    }
  }
  return { uris: [], dnsNames: [], ipHex: [] };
}

function invalid(message: string, cause?: unknown): IdentityError {
  return new IdentityError('ERR_IDENTITY_INVALID_CSR', message, { cause });
}
