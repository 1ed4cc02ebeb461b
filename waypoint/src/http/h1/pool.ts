/**
 * HTTP/1.1 connections to backends by key, the one used last first (spec/waypoint.md 5.2, 5.3): kept alive, limited by the rules of
 * their backend, taken out of use when their endpoint is gone. Used by client.ts; data thread.
 */
import { ActiveCounts } from '../../upstream/active-counts.ts';
import type { ConnectionRules } from '../upstream.ts';
import type { ClientConnection } from './client-connection.ts';

/** Free connections are closed before common servers close them (Node's own default is 5 s), unless a rule says otherwise. */
const idleMs = 4000;
const sweepMs = 1000;
/** Free connections of one key. */
const maxFree = 1024;

/** A connection of the pool. */
export interface Pooled {
  readonly key: string;
  readonly connection: ClientConnection;
  readonly rules: ConnectionRules | undefined;
  /** Its place among the connections of its backend. */
  readonly place: Disposable | undefined;
  readonly bornMs: number;
  requests: number;
  /** Since when it is free. */
  sinceMs: number;
  isRetired: boolean;
}

/** A request that waits for a connection. */
export interface Waiter {
  /** A connection for it. */
  readonly take: (pooled: Pooled) => void;
  /** There may be room for a connection now. */
  readonly tryAgain: () => void;
}

/** Connections of a data thread. */
export class ConnectionPool {
  readonly #free = new Map<string, Pooled[]>();
  /** Every connection that is not closed, by key. */
  readonly #open = new Map<string, Set<Pooled>>();
  readonly #dialling = new ActiveCounts();
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #sweep = setInterval(() => this.#closeIdle(performance.now()), sweepMs).unref();
  #isClosed = false;

  /** The connection that was used last; undefined when there is none. */
  take(key: string): Pooled | undefined {
    const list = this.#free.get(key);
    const taken = list?.pop();
    if (list?.length === 0) this.#free.delete(key);
    return taken;
  }

  /** Takes in a new connection, in use. */
  add(
    key: string,
    connection: ClientConnection,
    rules: ConnectionRules | undefined,
    place: Disposable | undefined,
  ): Pooled {
    const bornMs = performance.now();
    const pooled: Pooled = { key, connection, rules, place, bornMs, requests: 0, sinceMs: bornMs, isRetired: false };
    const open = this.#open.get(key);
    if (open === undefined) this.#open.set(key, new Set([pooled]));
    else open.add(pooled);
    return pooled;
  }

  /** Takes a connection back for the next request, of those that wait or of any. */
  give(pooled: Pooled): void {
    const { key, connection } = pooled;
    const list = this.#free.get(key) ?? [];
    if (this.#isClosed || !connection.isUsable || list.length >= maxFree || isUsedUp(pooled)) {
      connection.close();
      this.gone(pooled);
      return;
    }
    const waiter = this.#nextWaiter(key);
    if (waiter !== undefined) {
      waiter.take(pooled);
      return;
    }
    pooled.sinceMs = performance.now();
    list.push(pooled);
    this.#free.set(key, list);
    connection.rest();
  }

  /** A connection is over, or belongs to somebody else and is over now. Twice is harmless. */
  gone(pooled: Pooled): void {
    const { key } = pooled;
    const open = this.#open.get(key);
    if (open?.delete(pooled) !== true) return;
    if (open.size === 0) this.#open.delete(key);
    pooled.place?.[Symbol.dispose]();
    const list = this.#free.get(key);
    const index = list?.indexOf(pooled) ?? -1;
    if (list !== undefined && index !== -1) {
      list.splice(index, 1);
      if (list.length === 0) this.#free.delete(key);
    }
    this.#nextWaiter(key)?.tryAgain();
  }

  /** True when a key has no connection at all: then one is allowed whatever the limit says, as upstream does. */
  isEmpty(key: string): boolean {
    return !this.#open.has(key) && !this.#dialling.has(key);
  }

  /** A connection is being made until disposed. */
  dialling(key: string): Disposable {
    return this.#dialling.hold(key);
  }

  /** A connection could not be made: there may be room for another. */
  dialFailed(key: string): void {
    this.#nextWaiter(key)?.tryAgain();
  }

  /** Puts a request in line; the answer takes it out again. */
  wait(key: string, waiter: Waiter): () => void {
    const line = this.#waiting.get(key) ?? [];
    line.push(waiter);
    this.#waiting.set(key, line);
    return () => {
      const index = line.indexOf(waiter);
      if (index !== -1) line.splice(index, 1);
      if (line.length === 0 && this.#waiting.get(key) === line) this.#waiting.delete(key);
    };
  }

  /** Closes the free connections of these keys now, the others after their request; at the limit all that are left. */
  retire(isGone: (key: string) => boolean, limitMs: number, reason: Error): void {
    const left: Pooled[] = [];
    for (const [key, open] of this.#open) {
      if (!isGone(key)) continue;
      const free = new Set(this.#free.get(key));
      for (const pooled of open) {
        pooled.isRetired = true;
        if (!free.has(pooled)) left.push(pooled);
        else {
          pooled.connection.close();
          this.gone(pooled);
        }
      }
    }
    if (left.length === 0) return;
    setTimeout(() => {
      for (const pooled of left) if (this.#open.get(pooled.key)?.has(pooled) === true) pooled.connection.end(reason);
    }, limitMs).unref();
  }

  /** Closes every free connection, and from now on every one that comes back. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    this.#closeIdle(Number.POSITIVE_INFINITY);
  }

  #nextWaiter(key: string): Waiter | undefined {
    const line = this.#waiting.get(key);
    const waiter = line?.shift();
    if (line?.length === 0) this.#waiting.delete(key);
    return waiter;
  }

  #closeIdle(nowMs: number): void {
    for (const list of this.#free.values()) {
      const old = list.filter(({ sinceMs, rules }) => nowMs - sinceMs >= (rules?.idleMs ?? idleMs));
      for (const pooled of old) {
        pooled.connection.close();
        this.gone(pooled);
      }
    }
  }
}

const isUsedUp = ({ rules, requests, bornMs, isRetired }: Pooled): boolean =>
  isRetired || (rules !== undefined && (requests >= rules.maxRequests || performance.now() - bornMs >= rules.maxAgeMs));
