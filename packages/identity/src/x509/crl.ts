// Certificate revocation lists. In: PEM or DER of CRL_PATH, verified paths. Out: whether a path is revoked.
// Called by peer.ts at the handshake and by the node proxy when the list changes; pure, any thread.

import { verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { IdentityError } from '../errors.ts';
import { signatureAlgorithmOf } from './algorithm.ts';
import type { SignatureAlgorithm } from './algorithm.ts';
import { AsnType, bitStringBytes, bytesOf, childrenOf, isUniversal, oidOf, readDer, writeDer } from './asn1.ts';
import type { Asn1Node } from './asn1.ts';
import { certificatesOfPem, pemBlocks } from './pem.ts';
import { hexOfInteger, readCertificate } from './read-certificate.ts';
import type { CertificatePath } from './verify-chain.ts';

/** A set of revocation lists. */
export interface RevocationLists {
  /** How many lists are held; 0 = nothing is revoked. */
  readonly size: number;
  /**
   * Whether a certificate of the path, root excluded, is revoked by a list that its issuer signed. A certificate without
   * a list is not revoked; the age of a list does not matter (spec/node-proxy.md 2.3).
   */
  isRevoked(path: CertificatePath): boolean;
}

interface CrlRecord {
  readonly issuer: string;
  readonly serials: ReadonlySet<string>;
  isSignedBy(key: KeyObject): boolean;
}

/** Reads PEM with any number of `X509 CRL` blocks (other blocks are skipped) or one DER list. Throws ERR_IDENTITY_INVALID_CRL. */
export function parseRevocationLists(content: Uint8Array): RevocationLists {
  const records = dersOf(content).map((der) => readCrl(der));
  const byIssuer = Map.groupBy(records, (record) => record.issuer);
  const isRevoked = (path: CertificatePath): boolean =>
    path.slice(0, -1).some((certificate, index) => {
      const issuer = path[index + 1];
      const lists = byIssuer.get(certificate.issuer);
      if (issuer === undefined || lists === undefined) return false;
      return lists.some((list) => list.serials.has(certificate.serial) && list.isSignedBy(issuer.publicKey));
    });
  return { size: records.length, isRevoked };
}

/**
 * Authorities of a chain for which the content holds no list that they signed, by their place in the chain. Envoy refuses every peer when one
 * authority of a chain has a list and another has none. Throws ERR_IDENTITY_INVALID_CRL or ERR_IDENTITY_INVALID_CERTIFICATE.
 */
export function authoritiesWithoutList(content: Uint8Array, chainPem: string): number[] {
  const records = dersOf(content).map((der) => readCrl(der));
  const chain = certificatesOfPem(chainPem).map((der) => readCertificate(der));
  return chain.flatMap((authority, place) => {
    const isCovered = records.some((list) => list.issuer === authority.subject && list.isSignedBy(authority.publicKey));
    return isCovered ? [] : [place];
  });
}

function dersOf(content: Uint8Array): Buffer[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
  if (bytes.length === 0) return [];
  return bytes[0] === 0x30 ? [bytes] : pemBlocks(bytes.toString('latin1'), 'X509 CRL');
}

function readCrl(der: Buffer): CrlRecord {
  try {
    const [list, algorithmIdentifier, signature] = childrenOf(readDer(der));
    const fields = childrenOf(list);
    const first = fields[0];
    const offset = first !== undefined && isUniversal(first, AsnType.INTEGER) ? 1 : 0;
    const issuer = fields[offset + 1];
    const algorithm = signatureAlgorithmOf(algorithmIdentifier);
    if (list === undefined || issuer === undefined) throw new Error('the issuer is missing');
    if (algorithm === undefined) throw new Error(`signature algorithm ${oidOf(childrenOf(algorithmIdentifier)[0])}`);
    return {
      issuer: writeDer(issuer).toString('latin1'),
      serials: revokedSerials(fields.slice(offset + 2)),
      isSignedBy: signatureCheck(algorithm, writeDer(list), bitStringBytes(signature)),
    };
  } catch (cause) {
    throw new IdentityError('ERR_IDENTITY_INVALID_CRL', 'a certificate revocation list cannot be read', { cause });
  }
}

/** The entries are the only SEQUENCE among the fields after the issuer. */
function revokedSerials(fields: readonly Asn1Node[]): ReadonlySet<string> {
  const entries = fields.find((field) => isUniversal(field, AsnType.SEQUENCE));
  const list = entries === undefined ? [] : childrenOf(entries);
  return new Set(list.map((entry) => hexOfInteger(bytesOf(childrenOf(entry)[0]))));
}

function signatureCheck(algorithm: SignatureAlgorithm, signed: Buffer, signature: Buffer): (key: KeyObject) => boolean {
  const known = new WeakMap<KeyObject, boolean>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const matches = key.asymmetricKeyType === algorithm.keyType && verify(algorithm.hash, signed, key, signature);
    known.set(key, matches);
    return matches;
  };
}
