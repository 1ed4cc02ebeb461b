/**
 * What connections of HTTP/2 inside tunnels are set up with (spec/waypoint.md 1.5, 4.6.2). Used by server.ts and client-session.ts.
 */
import { createResetLimiter } from '@ambit/hbone/reset-limiter';
import type { ConnectionLimits } from '@ambit/hbone/framed/stream';
import { repeats } from './fields.ts';

const common = {
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  maxFrameBytes: 16_384,
  maxHeaderListBytes: 64 * 1024,
  repeats,
} as const;

const ofOneConnection = () => ({
  ...common,
  brokenStreams: createResetLimiter(1000, 200),
  // Clients of gRPC measure the bandwidth with PINGs, one per round trip while data comes.
  idleFrames: createResetLimiter(10_000, 10_000),
});

/** Towards one client. */
export const serverLimits = (): ConnectionLimits => ({
  ...ofOneConnection(),
  maxConcurrentStreams: 100,
  takesExtendedConnect: true,
});

/** Towards one backend, which may open nothing. */
export const clientLimits = (): ConnectionLimits => ({ ...ofOneConnection(), maxConcurrentStreams: 0 });
