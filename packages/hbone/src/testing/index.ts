// Doubles of @ambit/hbone, for tests only.
export * from './attacker.ts';
export * from './attacks.ts';
export * from './tunnel-bench.ts';
