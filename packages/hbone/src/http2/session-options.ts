// The HTTP/2 settings of both ends, from our limits to what core http2 wants (spec node-proxy 2.4, decisions 6). Pure.
import type { HboneLimits } from '../tunnel.ts';

/** Megabytes of queued data per session before core http2 refuses new streams; its default of 10 is far too low. */
const SESSION_MEMORY_MB = 1024;
/**
 * Core's own limiter ends a whole shared session after 1,000 resets of any kind; ours, in reset-limiter.ts, counts those before an answer only.
 * But ours speaks when everything that arrived is parsed, core's at once: as much as no honest peer reaches.
 */
const CORE_RESET_BURST = 5_000;
const CORE_RESET_PER_SECOND = 5_000;

/** Options for `http2.connect`. */
export function clientSessionOptions(limits: HboneLimits) {
  return {
    peerMaxConcurrentStreams: limits.maxStreamsPerConnection,
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: {
      enablePush: false,
      initialWindowSize: limits.streamWindowBytes,
      maxFrameSize: limits.maxFrameBytes,
      maxHeaderListSize: limits.maxResponseHeaderBytes,
    },
  };
}

/** Options for `http2.performServerHandshake`. */
export function serverSessionOptions(limits: HboneLimits) {
  return {
    maxSessionMemory: SESSION_MEMORY_MB,
    streamResetBurst: CORE_RESET_BURST,
    streamResetRate: CORE_RESET_PER_SECOND,
    settings: {
      initialWindowSize: limits.streamWindowBytes,
      maxFrameSize: limits.maxFrameBytes,
      maxHeaderListSize: limits.maxRequestHeaderBytes,
      maxConcurrentStreams: limits.maxConcurrentStreams,
    },
  };
}
