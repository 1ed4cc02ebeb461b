// The certificate service (spec control-plane 5.1).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/istio/ca/ca_pb.js';
