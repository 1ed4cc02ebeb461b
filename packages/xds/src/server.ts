// The server half of the package; the client is `@ambit/xds`.
export * from './errors.ts';
export * from './server/client-info.ts';
export type { ServerEvents } from './server/connection.ts';
export type { AnswerDebug, DebugAnswer, DebugQuestion, DebugResource } from './server/debug-stream.ts';
export {
  createDeltaSession,
  type DeltaSession,
  type PushedChange,
  type RequestOutcome,
} from './server/delta-session.ts';
export { encodeResponse, type PendingResponse } from './server/encode-response.ts';
export * from './server/node.ts';
export * from './server/resource-source.ts';
export * from './server/resource-table.ts';
export * from './server/server.ts';
export * from './server/status-view.ts';
