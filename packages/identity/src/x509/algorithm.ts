// Which signatures are made and accepted. In: keys and AlgorithmIdentifier nodes. Out: names for node:crypto.
// Called by the CSR, certificate and CRL files; pure, any thread. SHA-1 and MD5 are absent on purpose.

import type { KeyObject } from 'node:crypto';

import { IdentityError } from '../errors.ts';
import { childrenOf, nullNode, oid, oidOf, sequence } from './asn1.ts';
import type { Asn1Node } from './asn1.ts';

/** A signature algorithm: its identifier and the hash that node:crypto needs (`null` = the key type decides). */
export interface SignatureAlgorithm {
  readonly oid: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
}

const algorithms: readonly SignatureAlgorithm[] = [
  { oid: '1.2.840.10045.4.3.2', hash: 'sha256', keyType: 'ec' },
  { oid: '1.2.840.10045.4.3.3', hash: 'sha384', keyType: 'ec' },
  { oid: '1.2.840.10045.4.3.4', hash: 'sha512', keyType: 'ec' },
  { oid: '1.2.840.113549.1.1.11', hash: 'sha256', keyType: 'rsa' },
  { oid: '1.2.840.113549.1.1.12', hash: 'sha384', keyType: 'rsa' },
  { oid: '1.2.840.113549.1.1.13', hash: 'sha512', keyType: 'rsa' },
  { oid: '1.3.101.112', hash: null, keyType: 'ed25519' },
];

const minimumRsaBits = 2048;

/** The accepted algorithm of an AlgorithmIdentifier, or `undefined`. */
export function signatureAlgorithmOf(node: Asn1Node | undefined): SignatureAlgorithm | undefined {
  const wanted = oidOf(childrenOf(node)[0]);
  return algorithms.find((algorithm) => algorithm.oid === wanted);
}

/** What a CA signs with: RSA and P-256 use SHA-256, P-384 SHA-384 (spec/control-plane.md 5.5). Refuses weak or unknown keys. */
export function signingAlgorithmFor(key: KeyObject): SignatureAlgorithm {
  const wanted = signingOid(key);
  const found = algorithms.find((algorithm) => algorithm.oid === wanted);
  if (found === undefined || !isStrongKey(key)) {
    throw new IdentityError('ERR_IDENTITY_INVALID_KEY', `a ${describeKey(key)} key cannot sign certificates`, {
      hint: 'use P-256, P-384, or RSA with at least 2048 bits',
    });
  }
  return found;
}

/** Whether a public key is of an accepted type and size. */
export function isStrongKey(key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return (details?.modulusLength ?? 0) >= minimumRsaBits;
    case 'ec':
      return ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? '');
    case 'ed25519':
      return true;
    default:
      return false;
  }
}

/** Key type and size for messages; never key material. */
export function describeKey(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  const size = details?.namedCurve ?? (details?.modulusLength === undefined ? '' : `${details.modulusLength} bit`);
  return `${key.asymmetricKeyType ?? 'symmetric'} ${size}`.trim();
}

/** The AlgorithmIdentifier node. */
export function algorithmNode(algorithm: SignatureAlgorithm): Asn1Node {
  return algorithm.keyType === 'rsa' ? sequence(oid(algorithm.oid), nullNode()) : sequence(oid(algorithm.oid));
}

function signingOid(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === 'rsa') return '1.2.840.113549.1.1.11';
  if (key.asymmetricKeyType === 'ed25519') return '1.3.101.112';
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case 'prime256v1':
      return '1.2.840.10045.4.3.2';
    case 'secp384r1':
      return '1.2.840.10045.4.3.3';
    case 'secp521r1':
      return '1.2.840.10045.4.3.4';
    default:
      return undefined;
  }
}
