/**
 * Keys and certificates in the state folder: made at the first start, read later. In: folder; out: PEM texts and the
 * admin token. Files are 0600 in a folder of 0700. Called once at start.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCa, createServingCertificate, createSigningKey } from './certificate.ts';
import type { CertificatePair } from './certificate.ts';

/** What the server needs to identify itself and others. All secrets but the CA certificate. */
export interface Credentials {
  readonly ca: CertificatePair;
  readonly serving: CertificatePair;
  readonly signingKeyPem: string;
  readonly adminToken: string;
}

function kept(file: string, make: () => string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const text = make();
  writeFileSync(file, text, { mode: 0o600 });
  return text;
}

function keptCa(folder: string, nowMs: number): CertificatePair {
  const certFile = join(folder, 'ca.crt');
  const keyFile = join(folder, 'ca.key');
  if (!existsSync(certFile) || !existsSync(keyFile)) {
    const made = createCa(nowMs);
    writeFileSync(keyFile, made.keyPem, { mode: 0o600 });
    writeFileSync(certFile, made.certPem, { mode: 0o600 });
  }
  return { certPem: readFileSync(certFile, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') };
}

/** Opens or fills the folder. The serving certificate is made anew at each start, with the names asked for now. */
export function openCredentials(stateDir: string, names: readonly string[], nowMs: number): Credentials {
  const folder = join(stateDir, 'pki');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ca = keptCa(folder, nowMs);
  return {
    ca,
    serving: createServingCertificate(ca, names, nowMs),
    signingKeyPem: kept(join(folder, 'sa.key'), createSigningKey),
    adminToken: kept(join(folder, 'admin.token'), () => randomBytes(32).toString('base64url')),
  };
}
