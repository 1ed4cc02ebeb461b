// Doubles of @ambit/hbone, for tests only.
export * from './tunnel-bench.ts';
