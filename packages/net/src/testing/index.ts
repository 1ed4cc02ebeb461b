// Doubles and the contract suite of @ambit/net, for tests only.
export * from './drive.ts';
export * from './endpoint-contract.ts';
export * from '../native/free-memory.ts';
export * from './is-listening.ts';
export * from './memory-pair.ts';
export * from './socket-pair.ts';
