/**
 * Retry plans: which outcome of a try is tried again, and after how long (spec/waypoint.md 5.7).
 * In: Retry of the configuration. Out: a plan and pure decisions. Compiled once; asked on the data thread.
 */
import type { Retry } from '@ambit/proto/waypoint';
import { forTimer, timerMs } from './duration.ts';
import type { HeaderList } from './header-list.ts';
import type { UpstreamFailure } from './local-reply.ts';

/** Compiled retry rule of a route. */
export interface RetryPlan {
  /** Further tries after the first; 0 = never. */
  readonly maxRetries: number;
  readonly conditions: ReadonlySet<string>;
  readonly statusCodes: ReadonlySet<number>;
  /** Request sent to response headers, per try; undefined = off. */
  readonly perTryMs: number | undefined;
  readonly baseMs: number;
  readonly maxMs: number;
  /** Pick another endpoint than the ones that failed. */
  readonly avoidPrevious: boolean;
  /** Each second retry leaves the priorities that were tried. */
  readonly remoteLocalities: boolean;
}

const defaultBaseMs = 25;

/** The plan of a route that says nothing: connection-level failures, twice. */
export const defaultRetryPlan: RetryPlan = Object.freeze({
  maxRetries: 2,
  conditions: new Set(['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes']),
  statusCodes: new Set<number>(),
  perTryMs: undefined,
  baseMs: defaultBaseMs,
  maxMs: 10 * defaultBaseMs,
  avoidPrevious: true,
  remoteLocalities: false,
});

/** Compiles a rule; absent = the given default. Conditions that are numbers become status codes. */
export const compileRetryPlan = (retry: Retry | undefined, fallback: RetryPlan = defaultRetryPlan): RetryPlan => {
  if (retry === undefined) return fallback;
  const conditions = new Set<string>();
  const statusCodes = new Set<number>(retry.codes);
  for (const condition of retry.retryOn) {
    const code = Number(condition);
    if (Number.isInteger(code) && code >= 100 && code <= 599) statusCodes.add(code);
    else conditions.add(condition.toLowerCase());
  }
  if (statusCodes.size > 0) conditions.add('retriable-status-codes');
  const baseMs = timerMs(retry.base) ?? defaultBaseMs;
  return {
    maxRetries: retry.attempts,
    conditions,
    statusCodes,
    perTryMs: timerMs(retry.perTry),
    baseMs,
    maxMs: timerMs(retry.max) ?? forTimer(10 * baseMs),
    avoidPrevious: retry.ignorePrevious,
    remoteLocalities: retry.remoteLocalities,
  };
};

/** How a try ended. */
export type TryOutcome =
  | { readonly kind: 'response'; readonly status: number; readonly headers: HeaderList }
  | {
      readonly kind: 'failure';
      readonly failure: UpstreamFailure;
      /** True when at least one byte of the request may have reached the backend. */
      readonly requestSent: boolean;
    };

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** True for methods that may be repeated without the backend's word (RFC 9110 9.2.2). */
export const isIdempotent = (method: string): boolean => safeMethods.has(method);

/**
 * True when the plan asks for another try after this outcome. Whether attempts and body allow it is the caller's business.
 * A try that ended without a response after bytes were sent is repeated only for idempotent methods, whatever the plan
 * says: the backend may have done the work (deviation from upstream, strictly safer).
 */
export const wantsRetry = (plan: RetryPlan, method: string, outcome: TryOutcome): boolean => {
  if (outcome.kind === 'response') return wantsRetryOfResponse(plan, outcome.status, outcome.headers);
  if (!wantsRetryOfFailure(plan, outcome.failure)) return false;
  return !outcome.requestSent || outcome.failure.kind === 'refused-stream' || isIdempotent(method);
};

const wantsRetryOfResponse = (plan: RetryPlan, status: number, headers: HeaderList): boolean => {
  const on = plan.conditions;
  if (headers.has('x-envoy-overloaded')) return false;
  if (headers.has('x-envoy-ratelimited') && !on.has('envoy-ratelimited')) return false;
  if (on.has('5xx') && status >= 500) return true;
  if (on.has('gateway-error') && status >= 502 && status <= 504) return true;
  if (on.has('retriable-4xx') && status === 409) return true;
  if (on.has('retriable-status-codes') && plan.statusCodes.has(status)) return true;
  const grpc = headers.get('grpc-status');
  return grpc !== undefined && on.has(grpcConditions[grpc] ?? '');
};

const grpcConditions: Readonly<Record<string, string>> = {
  '1': 'cancelled',
  '4': 'deadline-exceeded',
  '8': 'resource-exhausted',
  '13': 'internal',
  '14': 'unavailable',
};

const wantsRetryOfFailure = (plan: RetryPlan, failure: UpstreamFailure): boolean => {
  const on = plan.conditions;
  const anyFailure = on.has('5xx') || on.has('gateway-error') || on.has('reset');
  switch (failure.kind) {
    case 'overflow':
      return false;
    case 'connect':
    case 'connect-timeout':
      return anyFailure || on.has('connect-failure') || on.has('reset-before-request');
    case 'refused-stream':
      return anyFailure || on.has('refused-stream');
    case 'closed':
    case 'reset':
    case 'protocol':
    case 'per-try-timeout':
      return anyFailure;
    default:
      return failure satisfies never;
  }
};

/** Pause before retry number `retry` (1, 2, ...): uniform in [0, min(max, (2^retry - 1) * base)). `random` in [0, 1). */
export const retryDelayMs = (plan: RetryPlan, retry: number, random: number): number =>
  random * Math.min(plan.maxMs, (2 ** Math.min(retry, 30) - 1) * plan.baseMs);
