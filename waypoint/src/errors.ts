/** Failures of the waypoint itself. In: a code and words. Out: an Error with a stable code; any thread. */
import type { UpstreamFailure } from '@ambit/l7';
import { CodedError } from '@ambit/runtime/errors';

/** Stable reasons. */
export type WaypointErrorCode =
  /** A try against a backend ended without a complete response. */
  | 'ERR_WAYPOINT_UPSTREAM'
  /** The client left before the response was complete. */
  | 'ERR_WAYPOINT_CLIENT_GONE'
  /** A raw connection that the policies do not allow, or not any more. */
  | 'ERR_WAYPOINT_DENIED'
  /** A connection was still open at the drain deadline, or at the stop of the waypoint. */
  | 'ERR_WAYPOINT_DRAIN'
  /** A data thread failed. */
  | 'ERR_WAYPOINT_THREAD';

/** Base of everything that the waypoint throws or destroys with. */
export class WaypointError extends CodedError<WaypointErrorCode> {
  override readonly name = 'WaypointError';
}

/** A try that ended without a response. */
export class UpstreamError extends WaypointError {
  readonly failure: UpstreamFailure;
  /** True when at least one byte of the request may have reached the backend. */
  readonly requestSent: boolean;

  constructor(failure: UpstreamFailure, requestSent: boolean, cause?: unknown) {
    super('ERR_WAYPOINT_UPSTREAM', `upstream failed: ${failure.kind}`, cause === undefined ? {} : { cause });
    this.failure = failure;
    this.requestSent = requestSent;
  }
}
