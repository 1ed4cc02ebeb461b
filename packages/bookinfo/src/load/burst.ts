// In: a description of calls. Out: how they ended, counted. Called by the load service; nothing is repeated.
import { call } from '../web/client.ts';

/** What to call, how often. */
export interface Burst {
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  /** 1 to 5000, default 1. */
  readonly count?: number;
  /** 1 to 64, default 8. */
  readonly concurrency?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default true: a connection per call. */
  readonly fresh?: boolean;
}

/** Outcome of a burst. */
export interface BurstResult {
  /** Status as text, or `error`, to count. */
  readonly statuses: Record<string, number>;
  /** Value of the answer's `version` field to count. */
  readonly versions: Record<string, number>;
  readonly errors: readonly string[];
  readonly sample: string;
}

const within = (value: number | undefined, low: number, high: number, fallback: number): number =>
  Math.min(high, Math.max(low, Math.trunc(value ?? fallback)));

function versionIn(body: string): string | undefined {
  try {
    const parsed = JSON.parse(body) as { version?: string; reviews?: { version?: string } } | null;
    return parsed?.version ?? parsed?.reviews?.version;
  } catch {
    return undefined;
  }
}

/** Performs the calls and counts. Never rejects. */
export async function runBurst(burst: Burst): Promise<BurstResult> {
  const count = within(burst.count, 1, 5000, 1);
  const statuses: Record<string, number> = {};
  const versions: Record<string, number> = {};
  const errors: string[] = [];
  let sample = '';
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      const result = await call({ fresh: true, ...burst });
      const key = result.error === undefined ? String(result.status) : 'error';
      statuses[key] = (statuses[key] ?? 0) + 1;
      if (result.error !== undefined && errors.length < 10) errors.push(result.error);
      if (sample === '') sample = result.body.slice(0, 500);
      const version = versionIn(result.body);
      if (version !== undefined) versions[version] = (versions[version] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: within(burst.concurrency, 1, 64, 8) }, worker));
  return { statuses, versions, errors, sample };
}
