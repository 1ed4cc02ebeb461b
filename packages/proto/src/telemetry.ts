// The telemetry service for tap, console and flow store.
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/ambit/telemetry/v1/telemetry_pb.js';
