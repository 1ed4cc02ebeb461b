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
  repeats,
} as const;

const ofOneConnection = () => ({
  ...common,
  brokenStreams: createResetLimiter(1000, 200),
  // Clients of gRPC measure the bandwidth with PINGs, one per round trip while data comes.
  idleFrames: createResetLimiter(10_000, 10_000),
});

/** What HTTP/2 counts for a field beyond its text (RFC 9113 6.5.2), for all fields of an ordinary head. */
const fieldOverheadBytes = 4096;
/** Blocks of so many times the allowed list are read to their end, to be answered; longer ones end their connection. */
const answeredBlocks = 4;

/** Towards one client. A request of more than `maxHeadBytes` is told by a list that is missing. */
export const serverLimits = (maxHeadBytes: number): ConnectionLimits => ({
  ...ofOneConnection(),
  maxHeaderListBytes: maxHeadBytes + fieldOverheadBytes,
  maxHeaderBlockBytes: answeredBlocks * (maxHeadBytes + fieldOverheadBytes),
  maxConcurrentStreams: 100,
  takesExtendedConnect: true,
});

/** Towards one backend, which may open nothing. */
export const clientLimits = (): ConnectionLimits => ({
  ...ofOneConnection(),
  maxHeaderListBytes: 64 * 1024,
  maxConcurrentStreams: 0,
});
