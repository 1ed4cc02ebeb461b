// Access logs for collectors, `opentelemetry.proto.collector.logs.v1` (spec waypoint 7.3).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/opentelemetry/logs_pb.js';
