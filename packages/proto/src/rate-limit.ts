// Global rate limits, `envoy.service.ratelimit.v3` (spec waypoint 4.5).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/envoy/rate_limit_pb.js';
