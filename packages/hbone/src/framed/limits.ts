// From the limits of a tunnel connection to those of the state machine. Pure. Called by both sessions of this folder.
import { type Allowance, createAllowance } from '../peer-allowances.ts';
import type { HboneLimits } from '../tunnel.ts';
import type { ConnectionLimits } from './stream.ts';

/** For a dialled connection: the peer may open no stream. */
export function clientLimits(limits: HboneLimits): ConnectionLimits {
  return {
    ...common(limits, createAllowance(limits)),
    maxHeaderListBytes: limits.maxResponseHeaderBytes,
    maxConcurrentStreams: 0,
  };
}

/** For an accepted connection. */
export function serverLimits(limits: HboneLimits, allowance: Allowance): ConnectionLimits {
  return {
    ...common(limits, allowance),
    maxHeaderListBytes: limits.maxRequestHeaderBytes,
    maxConcurrentStreams: limits.maxConcurrentStreams,
  };
}

function common(
  limits: HboneLimits,
  allowance: Allowance,
): Omit<ConnectionLimits, 'maxHeaderListBytes' | 'maxConcurrentStreams'> {
  return {
    streamWindowBytes: limits.streamWindowBytes,
    connectionWindowBytes: limits.connectionWindowBytes,
    maxFrameBytes: limits.maxFrameBytes,
    brokenStreams: allowance.broken,
  };
}
