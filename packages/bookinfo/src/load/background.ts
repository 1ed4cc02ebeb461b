// In: a rate and a target. Out: counts of what happened; every request is sent once, none is repeated. Called by the load service.
import { call } from '../web/client.ts';

/** Counts since the last reset. */
export interface LoadCounts {
  sent: number;
  succeeded: number;
  failed: number;
  /** Answer's reviews version -> count. */
  versions: Record<string, number>;
  /** Up to 20 latest failures as text with a time. */
  failures: string[];
}

const empty = (): LoadCounts => ({ sent: 0, succeeded: 0, failed: 0, versions: {}, failures: [] });

/** A steady load with requests in flight at the same time. `close` stops it. */
export interface BackgroundLoad {
  readonly counts: () => LoadCounts;
  readonly reset: () => void;
  readonly setRate: (requestsPerSecond: number) => void;
  readonly close: () => void;
}

/** Starts the load; a rate of 0 pauses it. Each request uses a fresh connection every second time. */
export function startBackgroundLoad(host: string, initialRate: number): BackgroundLoad {
  let counts = empty();
  let timer: NodeJS.Timeout | undefined;
  let turn = 0;
  const one = async (): Promise<void> => {
    const mine = counts;
    mine.sent += 1;
    turn += 1;
    const result = await call({ host, path: '/api/v1/products/0', fresh: turn % 2 === 0 });
    if (result.status === 200) {
      mine.succeeded += 1;
      const version = (JSON.parse(result.body) as { reviews?: { version?: string } }).reviews?.version ?? 'none';
      mine.versions[version] = (mine.versions[version] ?? 0) + 1;
      return;
    }
    mine.failed += 1;
    mine.failures = [
      ...mine.failures.slice(-19),
      `${new Date().toISOString()} ${result.error ?? `status ${result.status} ${result.body.slice(0, 200)}`}`,
    ];
  };
  const setRate = (rate: number): void => {
    clearInterval(timer);
    timer = rate > 0 ? setInterval(() => void one(), 1000 / Math.min(rate, 200)) : undefined;
  };
  setRate(initialRate);
  return { counts: () => counts, reset: () => void (counts = empty()), setRate, close: () => clearInterval(timer) };
}
