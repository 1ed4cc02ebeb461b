// The border between the certificate manager and whoever signs: a remote CA (ca-client.ts), the local authority, or a test.

import type { WorkloadCertificate } from './workload-certificate.ts';

/** Fetches a new certificate for an identity; makes a new key each time. */
export interface CertificateSource {
  /** Rejects with an IdentityError; `signal` ends the wait with its reason. */
  fetch(identity: string, options: { readonly signal: AbortSignal }): Promise<WorkloadCertificate>;
}
