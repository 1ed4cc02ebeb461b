// Waypoint configuration (spec waypoint 2.3).
// Generated from packages/proto/proto; a schema is a value (`XSchema`), a message is a plain typed object. Any thread.
export * from '#gen/ambit/waypoint/v1/waypoint_pb.js';
