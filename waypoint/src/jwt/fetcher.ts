/**
 * Key sets of issuers, fetched and kept fresh for all data threads (spec/waypoint.md 4.3).
 * In: the URIs that policies name, and wishes of data threads. Out: the text of each key set, as often as it changes or was
 * asked for. Main thread; owns its timers and requests.
 *
 * A key set is fetched when a policy names it, every 5 minutes after that, and earlier when a token names an unknown key, but
 * not within 10 s of the last attempt. After a failure the next attempt waits 1 s, doubling up to 1 min; known keys stay.
 */
import { messageOf } from '@ambit/runtime/errors';
import { type Clock, systemClock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { MAX_JWKS_BYTES } from './key-set.ts';

/** Age at which keys are fetched again. */
export const REFRESH_MS = 300_000;
/** Shortest time between two attempts that tokens with unknown keys cause. */
export const COOL_DOWN_MS = 10_000;
const firstRetryMs = 1000;
const maxRetryMs = 60_000;
const fetchTimeoutMs = 5000;

/** Settings of {@link createJwksFetcher}. */
export interface JwksFetcherOptions {
  /** Called with the text of a key set; undefined = there is none. */
  readonly publish: (uri: string, json: string | undefined) => void;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Gets a document; default {@link fetchJwks}. */
  readonly get?: (uri: string, signal: AbortSignal) => Promise<string>;
}

/** Keeps key sets fresh. */
export interface JwksFetcher {
  /** The URIs that policies name now; others are forgotten. */
  retain(uris: ReadonlySet<string>): void;
  /** A data thread misses a key. Always answered with `publish`. */
  want(uri: string): void;
  close(): void;
}

interface Source {
  json: string | undefined;
  failures: number;
  attemptedAtMs: number;
  isFetching: boolean;
  timer: Disposable | undefined;
}

/** Makes the fetcher. */
export const createJwksFetcher = (options: JwksFetcherOptions): JwksFetcher => {
  const { publish, log, clock = systemClock, get = fetchJwks } = options;
  const sources = new Map<string, Source>();
  const ending = new AbortController();

  const attempt = async (uri: string, source: Source): Promise<void> => {
    if (source.isFetching) return;
    source.isFetching = true;
    source.attemptedAtMs = clock.now();
    source.timer?.[Symbol.dispose]();
    try {
      const json = await get(uri, AbortSignal.any([ending.signal, AbortSignal.timeout(fetchTimeoutMs)]));
      source.failures = 0;
      source.json = json;
    } catch (error) {
      source.failures += 1;
      if (!ending.signal.aborted) log.warn('key set could not be fetched', { uri, error: messageOf(error) });
    }
    source.isFetching = false;
    if (ending.signal.aborted || sources.get(uri) !== source) return;
    const waitMs = source.failures === 0 ? REFRESH_MS : Math.min(maxRetryMs, firstRetryMs * 2 ** (source.failures - 1));
    source.timer = clock.setTimeout(() => void attempt(uri, source), waitMs);
    publish(uri, source.json);
  };
  return {
    retain: (uris) => {
      for (const [uri, source] of sources) {
        if (uris.has(uri)) continue;
        source.timer?.[Symbol.dispose]();
        sources.delete(uri);
        publish(uri, undefined);
      }
      for (const uri of uris) {
        if (sources.has(uri)) continue;
        const source: Source = {
          json: undefined,
          failures: 0,
          attemptedAtMs: Number.NEGATIVE_INFINITY,
          isFetching: false,
          timer: undefined,
        };
        sources.set(uri, source);
        void attempt(uri, source);
      }
    },
    want: (uri) => {
      const source = sources.get(uri);
      if (source?.isFetching === true) return; // its end answers
      const isCool = source !== undefined && clock.now() - source.attemptedAtMs >= COOL_DOWN_MS;
      if (isCool) void attempt(uri, source);
      else publish(uri, source?.json);
    },
    close: () => {
      ending.abort();
      for (const { timer } of sources.values()) timer?.[Symbol.dispose]();
      sources.clear();
    },
  };
};

/** GET of a key set: http or https, no redirects, status 200, at most 1 MiB. */
export const fetchJwks = async (uri: string, signal: AbortSignal): Promise<string> => {
  const { protocol } = new URL(uri);
  if (protocol !== 'https:' && protocol !== 'http:') throw new Error(`scheme ${protocol} is not fetched`);
  const response = await fetch(uri, { signal, redirect: 'error', headers: { accept: 'application/json' } });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body) {
    bytes += piece.byteLength;
    if (bytes > MAX_JWKS_BYTES) throw new Error(`more than ${MAX_JWKS_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
};
