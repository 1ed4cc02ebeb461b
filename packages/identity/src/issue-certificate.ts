// Turns a CA answer into a WorkloadCertificate, and runs the whole exchange against a local authority.
// Called by ca-client.ts, the control plane's serving certificates, and tests. Any thread.

import type { CertificateSigner } from './ca-service.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { CertificateSource } from './certificate-source.ts';
import { IdentityError } from './errors.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';
import { createKeyAndCsr } from './x509/csr.ts';
import { certificatesOfPem, toPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';

/**
 * Reads the answer of a CA: leaf first, root bundle last, one intermediate per text in between (spec/node-proxy.md 7.2).
 * The first URI name of the leaf must be `identity`, unless `identity` is no URI. Throws ERR_IDENTITY_CA_BAD_RESPONSE.
 */
export function readIssuedChain(
  identity: string,
  privateKeyPem: string,
  chain: readonly string[],
): WorkloadCertificate {
  const leafPem = chain[0];
  const rootsPem = chain.at(-1);
  if (leafPem === undefined) throw badResponse(`chain returned from CA is empty for: ${identity}`);
  if (chain.length < 2 || rootsPem === undefined || certificatesOfPem(rootsPem).length === 0) {
    throw badResponse('invalid root certificate: no root certificate present');
  }
  const [leafDer] = certificatesOfPem(leafPem);
  if (leafDer === undefined) throw badResponse(`the first certificate from the CA is none, for: ${identity}`);
  const leaf = readCertificate(leafDer);
  if (identity.startsWith('spiffe://') && leaf.names.uris[0] !== identity) {
    throw badResponse(`did not find expected SAN: ${identity}`);
  }
  const intermediates = chain.slice(1, -1).flatMap((pem) => certificatesOfPem(pem).slice(0, 1));
  return {
    identity,
    certChainPem: [leafDer, ...intermediates].map((der) => toPem('CERTIFICATE', der)).join(''),
    privateKeyPem,
    rootsPem,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    serial: leaf.serial,
  };
}

/** A new key and its certificate from whoever signs for this process, for identities or the serving names of a server. */
export async function issueLocally(
  signer: CertificateSigner,
  names: readonly [string, ...string[]],
  ttlMs = 0,
): Promise<WorkloadCertificate> {
  const { privateKeyPem, csrPem } = await createKeyAndCsr(...names);
  const { chainPem } = await signer.issue(csrPem, names, ttlMs);
  return readIssuedChain(names[0], privateKeyPem, chainPem);
}

/** A certificate source that signs in this process: the control plane's own identity, tests, `FAKE_CA`. */
export function createLocalSource(authority: CertificateAuthority, ttlMs?: number): CertificateSource {
  return {
    fetch: (identity, { signal }) => {
      signal.throwIfAborted();
      return issueLocally(authority, [identity], ttlMs);
    },
  };
}

function badResponse(message: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_CA_BAD_RESPONSE', message);
}
