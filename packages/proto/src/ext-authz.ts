// External authorization, `envoy.service.auth.v3` (spec waypoint 4.4).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/envoy/external_auth_pb.js';
