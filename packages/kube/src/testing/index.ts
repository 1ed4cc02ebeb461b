// Doubles of @ambit/kube for the tests of other packages.
export * from './memory-cluster.ts';
