// How far proxies follow their configuration, for debug tools.
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/envoy/client_status_pb.js';
