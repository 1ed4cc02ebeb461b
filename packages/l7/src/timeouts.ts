/**
 * Timeouts of one request: the route's, and the client's `grpc-timeout` (spec/waypoint.md 3.7, 5.8). Pure; data thread.
 */
import type { HttpRoute } from '@ambit/proto/waypoint';
import { forTimer, timerMs } from './duration.ts';

/** Limits of a route in milliseconds; undefined = off. */
export interface RouteTimeouts {
  /** Whole exchange including retries, from the complete request on. */
  readonly requestMs: number | undefined;
  /** Nothing moved in either direction. */
  readonly idleMs: number | undefined;
  /** First byte of the request to the last of the response. */
  readonly streamMs: number | undefined;
}

/** Reads the limits of a route. */
export const compileTimeouts = (route: HttpRoute): RouteTimeouts => ({
  requestMs: timerMs(route.timeout),
  idleMs: timerMs(route.idleTimeout),
  streamMs: timerMs(route.maxStream),
});

/** The smaller of the route's limit and the client's `grpc-timeout`; undefined = none. */
export const effectiveTimeoutMs = (timeouts: RouteTimeouts, grpcTimeout: string | undefined): number | undefined => {
  const client = grpcTimeout === undefined ? undefined : parseGrpcTimeout(grpcTimeout);
  if (client === undefined) return timeouts.requestMs;
  return timeouts.requestMs === undefined ? client : Math.min(client, timeouts.requestMs);
};

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout`: at most eight digits and a unit; undefined when malformed or zero. */
export const parseGrpcTimeout = (text: string): number | undefined => {
  const unit = unitMs[text.slice(-1)];
  const digits = text.slice(0, -1);
  if (unit === undefined || digits === '' || digits.length > 8) return undefined;
  for (const digit of digits) if (digit < '0' || digit > '9') return undefined;
  const ms = Number(digits) * unit;
  return ms > 0 ? forTimer(Math.max(1, ms)) : undefined;
};
