/**
 * Host names of backends -> addresses, kept as long as their TTL says (spec/waypoint.md 5.9).
 * In: names that a try needs. Out: addresses known now. One per data thread. Names in use are asked for again whenever their time is
 * over, so that nobody waits. Uses c-ares with the system's servers, never the thread pool.
 */
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';

/** Shortest life of an answer. */
const minTtlMs = 5000;
/** Pause after a failure, unless the backend says otherwise. */
const retryMs = 60_000;
/** How long addresses outlive a name that does not exist any more. */
const graceMs = 30_000;
/** Names that are remembered; the one asked for longest ago is forgotten. */
const maxNames = 10_000;
/** Names of clients' choice that are asked for at a time; what comes on top has no answer. */
const maxDynamic = 100;
/** How long a name is kept fresh after its last use. */
const keepMs = 300_000;
const sweepMs = 1000;

/** One question to the servers; rejects when there is no answer. */
export type ResolveName = (name: string) => Promise<readonly { readonly address: string; readonly ttl: number }[]>;

/** Settings of {@link createNames}. */
export interface NamesOptions {
  readonly log: Logger;
  /** Default: A and AAAA of the system's servers. */
  readonly resolve?: ResolveName;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Known addresses. */
export interface Names {
  /** Resolves when every name has an answer, or none can be had now. Never rejects. */
  prepare(names: readonly string[], source?: 'configured' | 'dynamic'): Promise<void> | undefined;
  /** Addresses of a name, empty while none is known; an address is its own answer. */
  addressesOf(name: string): readonly string[];
  /** Asks again for what is in use and no longer fresh; runs by itself. */
  refresh(): void;
  close(): void;
}

interface Entry {
  addresses: readonly string[];
  /** The answer may be used without asking again. */
  freshUntilMs: number;
  /** The addresses count at all. */
  validUntilMs: number;
  asking: Promise<void> | undefined;
  usedMs: number;
}

/** Makes the cache of a data thread. */
export const createNames = ({ log, resolve = resolveBoth, now = () => performance.now() }: NamesOptions): Names => {
  const entries = new Map<string, Entry>();
  let dynamic = 0;

  const ask = async (name: string, entry: Entry): Promise<void> => {
    try {
      const answer = await resolve(name);
      const ttlMs = Math.max(minTtlMs, Math.min(...answer.map(({ ttl }) => ttl)) * 1000);
      entry.addresses = answer.map(({ address }) => address);
      entry.freshUntilMs = now() + ttlMs;
      entry.validUntilMs = Number.POSITIVE_INFINITY;
    } catch (error) {
      const isGone = ['ENOTFOUND', 'ENODATA'].includes((error as NodeJS.ErrnoException).code ?? '');
      if (isGone && entry.validUntilMs === Number.POSITIVE_INFINITY) entry.validUntilMs = now() + graceMs;
      entry.freshUntilMs = now() + (entry.addresses.length === 0 || isGone ? minTtlMs : retryMs);
      log.warn('name could not be resolved', { name, error: messageOf(error), known: entry.addresses.length });
    }
    entry.asking = undefined;
  };
  const entryOf = (name: string): Entry => {
    const known = entries.get(name);
    const entry = known ?? {
      addresses: [],
      freshUntilMs: Number.NEGATIVE_INFINITY,
      validUntilMs: Number.POSITIVE_INFINITY,
      asking: undefined,
      usedMs: 0,
    };
    entry.usedMs = now();
    entries.delete(name);
    entries.set(name, entry);
    if (entries.size > maxNames) entries.delete(entries.keys().next().value as string);
    return entry;
  };
  const refresh = (): void => {
    const nowMs = now();
    for (const [name, entry] of entries) {
      const isInUse = nowMs - entry.usedMs < keepMs && entry.addresses.length > 0;
      if (isInUse && entry.freshUntilMs <= nowMs) entry.asking ??= ask(name, entry);
    }
  };
  const timer = setInterval(refresh, sweepMs).unref();
  return {
    refresh,
    close: () => clearInterval(timer),
    prepare: (names, source = 'configured') => {
      const waiting: Promise<void>[] = [];
      for (const name of names) {
        if (isIP(name) !== 0) continue;
        const entry = entryOf(name);
        if (entry.freshUntilMs <= now() && entry.asking === undefined) {
          if (source === 'configured') entry.asking = ask(name, entry);
          else if (dynamic < maxDynamic) {
            dynamic += 1;
            entry.asking = ask(name, entry).finally(() => {
              dynamic -= 1;
            });
          }
        }
        if (entry.addresses.length === 0 && entry.asking !== undefined) waiting.push(entry.asking);
      }
      return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
    },
    addressesOf: (name) => {
      if (isIP(name) !== 0) return [name];
      const entry = entries.get(name);
      return entry === undefined || entry.validUntilMs <= now() ? [] : entry.addresses;
    },
  };
};

/** IPv4 when there is any, else IPv6. */
const resolveBoth: ResolveName = async (name) => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  if (four.status === 'fulfilled' && four.value.length > 0) return four.value;
  if (six.status === 'fulfilled' && six.value.length > 0) return six.value;
  throw four.status === 'rejected' ? four.reason : new Error('no address');
};
