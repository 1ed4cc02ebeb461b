// Delta and state-of-the-world discovery messages, the node of a client, and the ADS service.
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/envoy/discovery_pb.js';
export * from '#gen/envoy/core_pb.js';
export * from '#gen/google/rpc/status_pb.js';
