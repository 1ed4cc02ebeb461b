// A set of trusted roots that remembers which chains it already verified. In: the DER chain of a TLS peer. Out: the path.
// Made once per set of roots (they come with the own certificate), shared by all peer verifiers of a thread. Synchronous.

import { createHash } from 'node:crypto';

import { IdentityError } from './errors.ts';
import { certificatesOfPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';
import type { Certificate } from './x509/read-certificate.ts';
import { MAX_PATH_LENGTH, verifyChain } from './x509/verify-chain.ts';
import type { CertificatePath, Purpose } from './x509/verify-chain.ts';

/** Trusted roots with a cache of verified chains. */
export interface TrustStore {
  readonly roots: readonly Certificate[];
  /**
   * The verified path of a peer's chain, leaf first in `chain`. Throws IdentityError: ERR_IDENTITY_NO_PEER_CERTIFICATE,
   * ERR_IDENTITY_INVALID_CERTIFICATE, ERR_IDENTITY_EXPIRED, ERR_IDENTITY_WRONG_PURPOSE, ERR_IDENTITY_UNTRUSTED_CHAIN.
   */
  verify(chain: readonly Buffer[], purpose: Purpose): CertificatePath;
}

/** Settings of a trust store. */
export interface TrustStoreOptions {
  /** PEM with one or more roots. */
  readonly rootsPem: string;
  /** Milliseconds since the epoch; default `Date.now`. */
  readonly now?: () => number;
  /** Verified chains to remember; default 4096, the least recently used goes first. */
  readonly cacheSize?: number;
}

interface CacheEntry {
  readonly path: CertificatePath;
  readonly validFrom: number;
  readonly validUntil: number;
}

const defaultCacheSize = 4096;

/** Reads the roots; throws ERR_IDENTITY_INVALID_ROOTS when none can be read. One unreadable root does not spoil the others. */
export function createTrustStore(options: TrustStoreOptions): TrustStore {
  const roots = readRoots(options.rootsPem);
  const now = options.now ?? Date.now;
  const cacheSize = options.cacheSize ?? defaultCacheSize;
  const cache = new Map<string, CacheEntry>();

  const verify = (chain: readonly Buffer[], purpose: Purpose): CertificatePath => {
    const at = now();
    const key = cacheKey(chain, purpose);
    const hit = cache.get(key);
    if (hit !== undefined && at >= hit.validFrom && at <= hit.validUntil) {
      cache.delete(key);
      cache.set(key, hit);
      return hit.path;
    }
    cache.delete(key);
    const path = verifyNow(chain, roots, at, purpose);
    cache.set(key, {
      path,
      validFrom: Math.max(...path.map((certificate) => certificate.notBefore)),
      validUntil: Math.min(...path.map((certificate) => certificate.notAfter)),
    });
    if (cache.size > cacheSize) forgetOldest(cache);
    return path;
  };
  return { roots, verify };
}

function verifyNow(
  chain: readonly Buffer[],
  roots: readonly Certificate[],
  now: number,
  purpose: Purpose,
): CertificatePath {
  if (chain.length > MAX_PATH_LENGTH * 2) {
    throw new IdentityError(
      'ERR_IDENTITY_UNTRUSTED_CHAIN',
      `the peer sent ${chain.length} certificates, the limit is ${MAX_PATH_LENGTH * 2}`,
    );
  }
  const [leafDer, ...others] = chain;
  if (leafDer === undefined) {
    throw new IdentityError('ERR_IDENTITY_NO_PEER_CERTIFICATE', 'the peer sent no certificate');
  }
  return verifyChain(readCertificate(leafDer), readOthers(others), roots, { now, purpose });
}

/** An intermediate that cannot be read is left out: the chain may hold without it. */
function readOthers(ders: readonly Buffer[]): Certificate[] {
  return ders.flatMap((der) => {
    try {
      return [readCertificate(der)];
    } catch {
      return [];
    }
  });
}

function readRoots(rootsPem: string): Certificate[] {
  const ders = certificatesOfPem(rootsPem);
  const roots = readOthers(ders).filter((root) => root.isCa);
  if (roots.length > 0) return roots;
  throw new IdentityError('ERR_IDENTITY_INVALID_ROOTS', `none of ${ders.length} root certificates can be used`, {
    hint: 'a root needs CA:TRUE and a P-256, P-384, Ed25519 or RSA key of at least 2048 bits',
  });
}

function cacheKey(chain: readonly Buffer[], purpose: Purpose): string {
  const hash = createHash('sha256').update(purpose);
  for (const der of chain) hash.update(`\0${der.length}\0`).update(der);
  return hash.digest('base64');
}

function forgetOldest(cache: Map<string, unknown>): void {
  const oldest = cache.keys().next();
  if (oldest.done !== true) cache.delete(oldest.value);
}
