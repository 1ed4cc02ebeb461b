// Entry of @ambit/state: plain L4 records, the store, and the pure decisions on a snapshot.

export type * from './decision.ts';
export * from './diff.ts';
export * from './policy.ts';
export * from './service.ts';
export * from './workload.ts';
