/** Failures of the waypoint itself. In: a code and words. Out: an Error with a stable code; any thread. */
import type { UpstreamFailure } from '@ambit/l7';
import { CodedError } from '@ambit/runtime/errors';

/** Stable reasons. */
export type WaypointErrorCode =
  | 'ERR_WAYPOINT_UPSTREAM' // a try against a backend ended without a response
  | 'ERR_WAYPOINT_CLIENT_GONE' // the client left before the response was complete
  | 'ERR_WAYPOINT_DENIED' // a raw connection that the policies do not allow (any more)
  | 'ERR_WAYPOINT_DRAIN' // ended by the drain deadline
  | 'ERR_WAYPOINT_THREAD'; // a data thread failed

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
