/**
 * Outlier detection: endpoints that fail too often get no traffic for a while (spec/waypoint.md 5.6).
 * In: outcomes of tries. Out: whether an endpoint is ejected. One per data thread; time is given, there are no timers.
 */
import type { Outlier } from '@ambit/proto/waypoint';
import { durationMs } from '@ambit/l7';

/** How a try ended, as the detectors count it. */
export type TryResult =
  | { readonly kind: 'response'; readonly status: number }
  /** Connect failure, timeout or reset. */
  | { readonly kind: 'local' };

/** Verdicts about the endpoints of all backends. */
export interface OutlierDetector {
  /** Counts a try. `total` is the number of endpoints of the backend. Answers for how many milliseconds the endpoint is ejected now. */
  report(
    backend: string,
    settings: Outlier,
    endpoint: string,
    result: TryResult,
    total: number,
    nowMs: number,
  ): number | undefined;
  /** The verdict of another thread. */
  eject(backend: string, endpoint: string, forMs: number, nowMs: number): void;
  isEjected(backend: string, endpoint: string, nowMs: number): boolean;
}

interface Health {
  errors: number;
  gatewayErrors: number;
  localErrors: number;
  /** Ejections in a row; one less for each interval without one. */
  multiplier: number;
  ejectedUntilMs: number;
}

/** Endpoints that are remembered per backend; the oldest is forgotten. */
const maxEndpoints = 10_000;
const defaults = { intervalMs: 10_000, baseMs: 30_000, maxMs: 300_000, maxPercent: 10 };

/** Makes a detector. */
export const createOutlierDetector = (): OutlierDetector => {
  const backends = new Map<string, Map<string, Health>>();
  const healthOf = (backend: string, endpoint: string): Health => {
    let endpoints = backends.get(backend);
    if (endpoints === undefined) backends.set(backend, (endpoints = new Map()));
    let health = endpoints.get(endpoint);
    if (health === undefined) {
      health = { errors: 0, gatewayErrors: 0, localErrors: 0, multiplier: 0, ejectedUntilMs: Number.NEGATIVE_INFINITY };
      if (endpoints.size >= maxEndpoints) endpoints.delete(endpoints.keys().next().value as string);
      endpoints.set(endpoint, health);
    }
    return health;
  };
  const ejectedCount = (backend: string, nowMs: number): number => {
    let count = 0;
    for (const { ejectedUntilMs } of backends.get(backend)?.values() ?? []) if (ejectedUntilMs > nowMs) count += 1;
    return count;
  };
  return {
    report: (backend, settings, endpoint, result, total, nowMs) => {
      const health = healthOf(backend, endpoint);
      if (health.ejectedUntilMs > nowMs || !count(health, settings, result)) return undefined;
      const share = ((ejectedCount(backend, nowMs) + 1) / Math.max(1, total)) * 100;
      if (share > (settings.maxPercent || defaults.maxPercent)) return undefined;
      eject(health, settings, nowMs);
      return health.ejectedUntilMs - nowMs;
    },
    eject: (backend, endpoint, forMs, nowMs) => {
      const health = healthOf(backend, endpoint);
      if (health.ejectedUntilMs <= nowMs) health.multiplier += 1; // else two threads came to the same verdict
      health.ejectedUntilMs = Math.max(health.ejectedUntilMs, nowMs + forMs);
    },
    isEjected: (backend, endpoint, nowMs) => {
      const health = backends.get(backend)?.get(endpoint);
      return health !== undefined && health.ejectedUntilMs > nowMs;
    },
  };
};

/** Adds a result to the counters; true when one of them reached its limit. */
const count = (health: Health, settings: Outlier, result: TryResult): boolean => {
  const isLocal = result.kind === 'local';
  const status = isLocal ? 503 : result.status;
  const isExternal = !isLocal || !settings.split;
  if (isLocal && settings.split) health.localErrors += 1;
  else health.localErrors = 0;
  if (isExternal) {
    health.errors = status >= 500 || settings.codes.includes(status) ? health.errors + 1 : 0;
    health.gatewayErrors = status >= 502 && status <= 504 ? health.gatewayErrors + 1 : 0;
  }
  const reached = (errors: number, limit: number): boolean => limit > 0 && errors >= limit;
  return (
    reached(health.errors, settings.consecutive5xx) ||
    reached(health.gatewayErrors, settings.consecutiveGateway) ||
    (settings.split && reached(health.localErrors, settings.consecutiveLocal || 5))
  );
};

const eject = (health: Health, settings: Outlier, nowMs: number): void => {
  const baseMs = durationMs(settings.base) || defaults.baseMs;
  const intervalMs = durationMs(settings.interval) || defaults.intervalMs;
  const maxMs = Math.max(durationMs(settings.max) || defaults.maxMs, baseMs);
  const healthyMs = Math.max(0, nowMs - health.ejectedUntilMs);
  health.multiplier = Math.max(0, health.multiplier - Math.floor(healthyMs / intervalMs)) + 1;
  health.ejectedUntilMs = nowMs + Math.min(baseMs * health.multiplier, maxMs);
  health.errors = 0;
  health.gatewayErrors = 0;
  health.localErrors = 0;
};
