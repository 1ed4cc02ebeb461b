/**
 * Circuit breakers and retry budgets of backends (spec/waypoint.md 5.3, 5.7). In: limits of a Backend. Out: a place, or none.
 * Made per data thread by threads/data-plane.ts; the counters are those of the process.
 */
import { positiveMs, timerMs } from '@ambit/l7';
import type { Backend, Keepalive } from '@ambit/proto/waypoint';
import type { ConnectionRules, PingRule } from '../http/upstream.ts';
import { backendKeyOf } from './pick.ts';
import { SharedCounts } from './shared-counts.ts';

/** What is counted. */
export type BreakerKind = 'request' | 'retry' | 'connection' | 'pending';

/** Counts what a backend has in work. */
export interface Breakers {
  /** A place, to be given back; undefined when the limit is reached. */
  enter(backend: Backend | undefined, kind: BreakerKind): Disposable | undefined;
  /** What a backend says about its connections; undefined when it says nothing. */
  rulesOf(backend: Backend | undefined): ConnectionRules | undefined;
}

const unlimited: Disposable = { [Symbol.dispose]: () => undefined };

/** Makes the breakers of a data thread; those of all threads count in the same memory. */
export const createBreakers = (memory: ArrayBufferLike): Breakers => {
  const counts = new SharedCounts(memory);
  const rules = new WeakMap<Backend, ConnectionRules>();
  const enter: Breakers['enter'] = (backend, kind) => {
    if (backend === undefined || !isCounted(backend)) return unlimited;
    const name = backendKeyOf(backend);
    const limit = limitOf(backend, kind, () => counts.of(`request ${name}`));
    // Retry budgets are a part of what is in work, so that has to be counted without a limit of its own.
    const isNeeded = limit !== Number.POSITIVE_INFINITY || (kind === 'request' && backend.retryBudget !== undefined);
    return isNeeded ? counts.enter(`${kind} ${name}`, limit) : unlimited;
  };
  return {
    enter,
    rulesOf: (backend) => {
      if (backend?.pool === undefined) return undefined;
      let known = rules.get(backend);
      if (known === undefined) rules.set(backend, (known = rulesOf(backend, enter)));
      return known;
    },
  };
};

const isCounted = ({ pool, retryBudget }: Backend): boolean => pool !== undefined || retryBudget !== undefined;

const orUnlimited = (limit: number | undefined): number => limit || Number.POSITIVE_INFINITY;

const limitOf = ({ pool, retryBudget }: Backend, kind: BreakerKind, requests: () => number): number => {
  switch (kind) {
    case 'request':
      return orUnlimited(pool?.maxRequests);
    case 'connection':
      return orUnlimited(pool?.maxConnections);
    case 'pending':
      return orUnlimited(pool?.maxPending);
    case 'retry':
      if (retryBudget === undefined) return orUnlimited(pool?.maxRetries);
      return Math.max(retryBudget.minConcurrency || 3, Math.floor((requests() * retryBudget.percent) / 100));
    default:
      return kind satisfies never;
  }
};

const rulesOf = (backend: Backend, enter: Breakers['enter']): ConnectionRules => {
  const { pool } = backend;
  return {
    maxRequests: orUnlimited(pool?.maxRequestsPerConnection),
    maxStreams: orUnlimited(pool?.maxStreams),
    idleMs: timerMs(pool?.httpIdle),
    maxAgeMs: positiveMs(pool?.maxAge) ?? Number.POSITIVE_INFINITY,
    ping: pingOf(pool?.h2Ping),
    connection: () => enter(backend, 'connection'),
    pending: () => enter(backend, 'pending'),
  };
};

/** Without an interval there are no PINGs; without a time for the answer it may take as long as from one to the next. */
const pingOf = (ping: Keepalive | undefined): PingRule | undefined => {
  const pingIntervalMs = timerMs(ping?.interval);
  return pingIntervalMs === undefined
    ? undefined
    : { pingIntervalMs, pingTimeoutMs: timerMs(ping?.time) ?? pingIntervalMs };
};
