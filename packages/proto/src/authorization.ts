// L4 authorization policies (spec control-plane 3.1).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/istio/security/authorization_pb.js';
