// Entry of @ambit/identity: SPIFFE identities, certificates, the authority, and the check of a TLS peer.

export * from './ca-client.ts';
export * from './ca-service.ts';
export * from './certificate-authority.ts';
export * from './certificate-manager.ts';
export type * from './certificate-source.ts';
export * from './errors.ts';
export * from './external-signer.ts';
export * from './issue-certificate.ts';
export * from './peer.ts';
export * from './signer-material.ts';
export * from './spiffe.ts';
export * from './trust-store.ts';
export * from './workload-certificate.ts';
export { authoritiesWithoutList, parseRevocationLists } from './x509/crl.ts';
export type { RevocationLists } from './x509/crl.ts';
export { createKeyAndCsr, parseCsr } from './x509/csr.ts';
export type { Csr, KeyAndCsr } from './x509/csr.ts';
export { certificatesOfPem, toPem } from './x509/pem.ts';
