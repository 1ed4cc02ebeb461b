// Spans for collectors, `opentelemetry.proto.collector.trace.v1` (spec waypoint 7.4).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/opentelemetry/trace_pb.js';
