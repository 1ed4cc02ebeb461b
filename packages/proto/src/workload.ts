// Workload discovery: Address, Workload, Service (spec control-plane 2.1).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/istio/workload/workload_pb.js';
