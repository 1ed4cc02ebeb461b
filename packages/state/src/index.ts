// Entry of @ambit/state: plain L4 records, the store, and the pure decisions on a snapshot.

export type * from './decision.ts';
export * from './diff.ts';
export * from './gateway.ts';
export * from './inbound.ts';
export * from './ip.ts';
export * from './load-balancing.ts';
export { packDiff, type PackedDiff, unpackDiff } from './packed-diff.ts';
export * from './policy.ts';
export * from './rbac.ts';
export * from './resolve.ts';
export * from './service.ts';
export * from './snapshot.ts';
export * from './store.ts';
export { chooseTarget, expectedIdentities } from './target.ts';
export type { TargetChoice } from './target.ts';
export { type AddressTranslation, translateAddress } from './translate/address.ts';
export * from './workload.ts';
