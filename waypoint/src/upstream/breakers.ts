/**
 * Circuit breakers and retry budgets of backends (spec/waypoint.md 5.3, 5.7). In: limits of a Backend. Out: a place, or none.
 * One per data thread: each thread has its part of a limit. Pure but for the counters.
 */
import type { Backend } from '@ambit/proto/waypoint';
import { ActiveCounts } from './active-counts.ts';
import { backendKeyOf } from './pick.ts';

/** What is counted. */
export type BreakerKind = 'request' | 'retry' | 'connection';

/** Counts what a backend has in work. */
export interface Breakers {
  /** A place, to be given back; undefined when the limit is reached. */
  enter(backend: Backend | undefined, kind: BreakerKind): Disposable | undefined;
}

const unlimited: Disposable = { [Symbol.dispose]: () => undefined };

/** Makes the counters of a data thread; `dataThreads` share each limit. */
export const createBreakers = (dataThreads: number): Breakers => {
  const active = new ActiveCounts();
  return {
    enter: (backend, kind) => {
      if (backend === undefined || !isCounted(backend)) return unlimited;
      const name = backendKeyOf(backend);
      const key = `${kind} ${name}`;
      const now = active.of(key);
      const limit = limitOf(backend, kind, active.of(`request ${name}`), dataThreads);
      if (now >= limit) return undefined;
      return active.hold(key);
    },
  };
};

const isCounted = ({ pool, retryBudget }: Backend): boolean => pool !== undefined || retryBudget !== undefined;

const limitOf = ({ pool, retryBudget }: Backend, kind: BreakerKind, requests: number, dataThreads: number): number => {
  const part = (limit: number | undefined): number =>
    limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : Math.ceil(limit / dataThreads);
  switch (kind) {
    case 'request':
      return part(pool?.maxRequests);
    case 'connection':
      return part(pool?.maxConnections);
    case 'retry':
      if (retryBudget === undefined) return part(pool?.maxRetries);
      return Math.max(part(retryBudget.minConcurrency || 3), Math.floor((requests * retryBudget.percent) / 100));
    default:
      return kind satisfies never;
  }
};
