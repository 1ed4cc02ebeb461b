// Everything that does not clash; messages come from the subpaths (`@ambit/proto/workload`), since names such as Address exist twice.
export * from './grpc.ts';
export * from './type-urls.ts';
