// Test doubles of @ambit/identity: an authority with keys made at run time. Called by the tests of every package; no I/O.

import { createCertificateAuthority } from '../certificate-authority.ts';
import type { CertificateAuthority } from '../certificate-authority.ts';
import type { CertificateSource } from '../certificate-source.ts';
import { createLocalSource, issueLocally } from '../issue-certificate.ts';
import { createIntermediate, createSelfSignedRoot } from '../signer-material.ts';
import type { WorkloadCertificate } from '../workload-certificate.ts';

export { testRevocationList } from './revocation-list.ts';

/** An authority for tests. */
export interface TestCa {
  readonly authority: CertificateAuthority;
  readonly rootPem: string;
  /** For the certificate manager. */
  readonly source: CertificateSource;
  /** A certificate for an identity URI, a DNS name or an IP. */
  issue(name: string, ttlMs?: number): Promise<WorkloadCertificate>;
  /** The identity URI of a workload in this CA's trust domain. */
  identity(namespace: string, serviceAccount: string): string;
}

/** Makes a new CA; with `intermediates` > 0 leaves are signed by the last of so many intermediates. */
export function testCa(
  options: { readonly trustDomain?: string; readonly intermediates?: number; readonly now?: () => number } = {},
): TestCa {
  const trustDomain = options.trustDomain ?? 'cluster.local';
  const at = options.now === undefined ? {} : { now: options.now() };
  let material = createSelfSignedRoot({ trustDomain, ...at });
  for (let level = 1; level <= (options.intermediates ?? 0); level += 1) {
    material = createIntermediate(material, { commonName: `test intermediate ${level}`, ...at });
  }
  const authority = createCertificateAuthority({
    material,
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  return {
    authority,
    rootPem: authority.rootPem,
    source: createLocalSource(authority),
    issue: (name, ttlMs) => issueLocally(authority, [name], ttlMs),
    identity: (namespace, serviceAccount) => `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
  };
}
