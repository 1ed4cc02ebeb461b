// Entry of @ambit/identity.

export type * from './certificate-source.ts';
export * from './errors.ts';
export * from './spiffe.ts';
export * from './workload-certificate.ts';
