// Makes new CA material. In: a trust domain and a life. Out: PEM texts of a root or an intermediate.
// Called by the control plane on first start, by root rotation, and by tests; synchronous, no I/O.

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { CLOCK_SKEW_MS, readPrivateKey, signerOf } from './certificate-authority.ts';
import type { SignerMaterial } from './certificate-authority.ts';
import { buildCertificate, buildName, keyIdentifierOf } from './x509/build-certificate.ts';
import { certificatesOfPem, toPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';

const dayMs = 24 * 3600 * 1000;

/** Life of a self-signed root: 3650 days (spec/control-plane.md 5.6). */
export const ROOT_TTL_MS = 3650 * dayMs;

/** Settings of a new root. */
export interface SelfSignedRootOptions {
  /** Becomes the organization of the name. */
  readonly trustDomain: string;
  /** Default 3650 days. */
  readonly ttlMs?: number;
  /** Reuse this key (rotation keeps it); default a new P-256 key (decision W5). */
  readonly keyPem?: string;
  /** Milliseconds since the epoch; default now. */
  readonly now?: number;
}

/** A new self-signed root; the material signs and trusts itself. */
export function createSelfSignedRoot(options: SelfSignedRootOptions): SignerMaterial {
  const privateKey = options.keyPem === undefined ? newKey() : readPrivateKey(options.keyPem);
  const publicKey = createPublicKey(privateKey);
  const publicKeyDer = publicKey.export({ type: 'spki', format: 'der' });
  const now = options.now ?? Date.now();
  const nameDer = buildName({ organization: options.trustDomain });
  const der = buildCertificate(
    {
      kind: 'ca',
      subjectDer: nameDer,
      publicKeyDer,
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: now + (options.ttlMs ?? ROOT_TTL_MS),
      names: [],
    },
    { nameDer, privateKey, publicKey, keyIdentifier: keyIdentifierOf(publicKeyDer) },
  );
  const certPem = toPem('CERTIFICATE', der);
  return { certPem, keyPem: pemOf(privateKey), chainPem: '', rootPem: certPem };
}

/** An intermediate below `parent`, with a new P-256 key. */
export function createIntermediate(
  parent: SignerMaterial,
  options: {
    readonly commonName: string;
    readonly ttlMs?: number;
    readonly pathLength?: number;
    readonly now?: number;
  },
): SignerMaterial {
  const [parentDer] = certificatesOfPem(parent.certPem);
  const parentCertificate = readCertificate(parentDer ?? Buffer.alloc(0));
  const privateKey = newKey();
  const now = options.now ?? Date.now();
  const der = buildCertificate(
    {
      kind: 'ca',
      subjectDer: buildName({ commonName: options.commonName }),
      publicKeyDer: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: Math.min(now + (options.ttlMs ?? ROOT_TTL_MS), parentCertificate.notAfter),
      names: [],
      ...(options.pathLength === undefined ? {} : { pathLength: options.pathLength }),
    },
    signerOf(parentCertificate, readPrivateKey(parent.keyPem)),
  );
  const certPem = toPem('CERTIFICATE', der);
  return { certPem, keyPem: pemOf(privateKey), chainPem: certPem + parent.chainPem, rootPem: parent.rootPem };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
