// Messages between node agent and node proxy (spec node-agent 5.2).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/istio/zds/zds_pb.js';
