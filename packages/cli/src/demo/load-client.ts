// In: orders for the load generator. Out: what its pod saw. Called by the tour; talks to the port forwarded from this machine.
import { CliError } from '../errors.ts';

/** Counts of the steady load since the last reset. */
export interface LoadCounts {
  readonly sent: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly versions: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

/** Calls that the pod makes on order. */
export interface BurstOrder {
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  readonly count?: number;
  readonly concurrency?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How they ended. */
export interface BurstResult {
  readonly statuses: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
  readonly sample: string;
}

/** A connection that the pod keeps using. */
export interface HeldConnection {
  readonly id: number;
  readonly target: string;
  readonly echoes: number;
  readonly ended?: string;
}

/** The load generator's door. */
export interface LoadClient {
  readonly counts: () => Promise<LoadCounts>;
  readonly reset: () => Promise<void>;
  /** Sets the rate of the steady load. */
  readonly setRate: (requestsPerSecond: number) => Promise<void>;
  readonly burst: (order: BurstOrder) => Promise<BurstResult>;
  readonly hold: (host: string, port: number) => Promise<HeldConnection>;
  readonly held: (id: number) => Promise<HeldConnection>;
  /** Closes all held connections. */
  readonly releaseHeld: () => Promise<void>;
}

/** Opens the door at this address of the local machine. */
export function createLoadClient(url: string): LoadClient {
  const ask = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${url}${path}`, {
      method,
      signal: AbortSignal.timeout(60_000),
      // Steps are seconds apart: a kept connection could meet the server's idle limit just as it is used again.
      headers: { connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok)
      throw new CliError('ERR_CLI_EVIDENCE', `the load generator answered ${response.status} to ${method} ${path}`);
    return (await response.json()) as T;
  };
  return {
    counts: async () => ask('GET', '/load'),
    reset: async () => void (await ask('DELETE', '/load')),
    setRate: async (requestsPerSecond) => void (await ask('POST', `/load?rate=${requestsPerSecond}`)),
    burst: async (order) => ask('POST', '/burst', order),
    hold: async (host, port) => ask('POST', '/connections', { host, port }),
    releaseHeld: async () => void (await ask('DELETE', '/connections')),
    held: async (id) => {
      const found = (await ask<readonly HeldConnection[]>('GET', '/connections')).find(
        (connection) => connection.id === id,
      );
      if (found === undefined)
        throw new CliError('ERR_CLI_EVIDENCE', `the load generator does not know connection ${id}`);
      return found;
    },
  };
}
