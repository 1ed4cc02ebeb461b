/**
 * Nothing (or a shared folder) in; a certificate source that signs in this process out. Main thread, at start.
 *
 * Only with `FAKE_CA=true`: development and tests without a control plane. Several processes trust each other when they
 * name the same folder; the first one writes the root there, readable only by its user.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificateAuthority } from '@ambit/identity/certificate-authority';
import type { CertificateSource } from '@ambit/identity/certificate-source';
import { createLocalSource } from '@ambit/identity/issue-certificate';
import { createSelfSignedRoot } from '@ambit/identity/signer-material';

/** Makes the source. */
export function createFakeCa(options: {
  readonly trustDomain: string;
  readonly ttlMs: number;
  readonly dir: string | undefined;
}): CertificateSource {
  const material =
    options.dir === undefined ? createSelfSignedRoot(options) : sharedRoot(options.dir, options.trustDomain);
  return createLocalSource(createCertificateAuthority({ material, maxTtlMs: options.ttlMs }), options.ttlMs);
}

type Material = ReturnType<typeof createSelfSignedRoot>;

function sharedRoot(dir: string, trustDomain: string): Material {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'fake-ca.json');
  const fresh = createSelfSignedRoot({ trustDomain });
  try {
    // `wx`: whoever comes second reads what the first one wrote.
    writeFileSync(path, JSON.stringify(fresh), { flag: 'wx', mode: 0o600 });
    return fresh;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return JSON.parse(readFileSync(path, 'utf8')) as Material;
  }
}
