/**
 * HTTP/2 connections to backends by key, shared by requests (spec/waypoint.md 5.2, 5.3): as many as their streams need and the rules
 * of the backend allow; closed when idle, used up, too old, or when their endpoint is gone. Used by client.ts; data thread.
 */
import { UpstreamError } from '../../errors.ts';
import { ActiveCounts } from '../../upstream/active-counts.ts';
import type { ConnectionRules, OpenConnection } from '../upstream.ts';
import { ClientSession } from './client-session.ts';

/** Streams on one session before another is opened; the peer's own limit counts as well. */
const maxStreams = 100;
/** A session without streams is closed after this time. */
const idleMs = 60_000;
/** Longest wait for the first SETTINGS of a backend. */
const settingsMs = 5000;

/** A session of the pool. */
export interface PooledSession {
  readonly key: string;
  readonly session: ClientSession;
  streams: number;
  requests: number;
  readonly rules: ConnectionRules | undefined;
  readonly bornMs: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** A request that may have to wait in line. */
export interface Ticket {
  /** Takes it out of the line; undefined while it is in none. */
  leave: (() => void) | undefined;
  hasLeft: boolean;
}

/** Sessions of a data thread. */
export class SessionPool {
  readonly #sessions = new Map<string, PooledSession[]>();
  readonly #dialling = new Map<string, Promise<PooledSession>>();
  /** Sessions that are not over, those that only finish their streams included. */
  readonly #open = new ActiveCounts();
  readonly #waiting = new Map<string, (() => void)[]>();

  /** A session with room, at once where there is one. */
  ready(key: string): PooledSession | undefined {
    return this.#sessions.get(key)?.find((pooled) => hasRoom(pooled));
  }

  /** A session with room; dials at most one at a time per key. Waits in line where the backend allows no further connection. */
  async take(
    key: string,
    open: OpenConnection,
    rules: ConnectionRules | undefined,
    ticket: Ticket,
  ): Promise<PooledSession> {
    for (;;) {
      const ready = this.ready(key);
      if (ready !== undefined) return ready;
      const dial = this.#dialling.get(key) ?? this.#dialWithin(key, open, rules);
      if (dial === undefined) {
        await this.#inLine(key, rules, ticket);
        if (ticket.hasLeft) throw new UpstreamError({ kind: 'closed' }, false);
        continue;
      }
      const made = await dial;
      if (hasRoom(made)) return made;
    }
  }

  /** Waits for the settings of the peer, at most a while. */
  async settled({ session }: PooledSession): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, settingsMs);
    await Promise.race([session.settled, late.promise]);
    clearTimeout(timer);
  }

  /** A request goes out on it. */
  use(pooled: PooledSession): void {
    clearTimeout(pooled.idleTimer);
    pooled.idleTimer = undefined;
    pooled.streams += 1;
    pooled.requests += 1;
  }

  /** A stream ended. */
  release(pooled: PooledSession): void {
    pooled.streams -= 1;
    this.rest(pooled);
  }

  /** A session that nobody uses is closed after a while. */
  rest(pooled: PooledSession): void {
    const { session, streams, rules } = pooled;
    if (session.isUsable) {
      if (isUsedUp(pooled)) session.close();
      else if (streams === 0) {
        clearTimeout(pooled.idleTimer);
        pooled.idleTimer = setTimeout(() => session.close(), rules?.idleMs ?? idleMs).unref();
      }
    }
    this.#wake(pooled.key);
  }

  /** Sessions of these keys take no further request; at the limit what is left of them ends. */
  retire(isGone: (key: string) => boolean, limitMs: number, reason: Error): void {
    const left: ClientSession[] = [];
    for (const [key, list] of this.#sessions) {
      if (!isGone(key)) continue;
      for (const { session, streams } of list) {
        if (streams > 0) left.push(session);
        session.close();
      }
    }
    if (left.length === 0) return;
    setTimeout(() => {
      for (const session of left) session.destroy(reason);
    }, limitMs).unref();
  }

  /** Ends every session now. */
  close(reason: Error): void {
    for (const list of this.#sessions.values()) for (const { session } of list) session.destroy(reason);
  }

  /** Undefined: the backend has as many connections as it may have. The first of a key is always made, as upstream does. */
  #dialWithin(
    key: string,
    open: OpenConnection,
    rules: ConnectionRules | undefined,
  ): Promise<PooledSession> | undefined {
    const place = rules?.connection();
    if (rules !== undefined && place === undefined && this.#open.has(key)) return undefined;
    const dial = this.#dial(key, open, rules, place).finally(() => this.#dialling.delete(key));
    this.#dialling.set(key, dial);
    return dial;
  }

  async #dial(
    key: string,
    open: OpenConnection,
    rules: ConnectionRules | undefined,
    place: Disposable | undefined,
  ): Promise<PooledSession> {
    const counted = this.#open.hold(key);
    const free = (): void => {
      counted[Symbol.dispose]();
      place?.[Symbol.dispose]();
      this.#wake(key);
    };
    let session: ClientSession;
    try {
      const onClosing = () => this.#forget(pooled);
      session = new ClientSession(await open(), { onClosing, onEnd: free }, rules?.ping);
    } catch (error) {
      free();
      throw error;
    }
    const bornMs = performance.now();
    const pooled: PooledSession = { key, session, streams: 0, requests: 0, rules, bornMs, idleTimer: undefined };
    const list = this.#sessions.get(key);
    if (list === undefined) this.#sessions.set(key, [pooled]);
    else list.push(pooled);
    return pooled;
  }

  #forget(pooled: PooledSession): void {
    clearTimeout(pooled.idleTimer);
    const left = (this.#sessions.get(pooled.key) ?? []).filter((other) => other !== pooled);
    if (left.length === 0) this.#sessions.delete(pooled.key);
    else this.#sessions.set(pooled.key, left);
  }

  async #inLine(key: string, rules: ConnectionRules | undefined, ticket: Ticket): Promise<void> {
    const place = rules?.pending();
    if (place === undefined) throw new UpstreamError({ kind: 'overflow' }, false);
    const { promise, resolve } = Promise.withResolvers<void>();
    const line = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, line);
    line.push(resolve);
    const leave = () => {
      ticket.hasLeft = true;
      const index = line.indexOf(resolve);
      if (index !== -1) line.splice(index, 1);
      if (line.length === 0 && this.#waiting.get(key) === line) this.#waiting.delete(key);
      resolve();
    };
    ticket.leave = leave;
    await promise;
    ticket.leave = undefined;
    place[Symbol.dispose]();
  }

  /** One request in line looks again. */
  #wake(key: string): void {
    const line = this.#waiting.get(key);
    const first = line?.shift();
    if (line?.length === 0) this.#waiting.delete(key);
    first?.();
  }
}

const hasRoom = (pooled: PooledSession): boolean => {
  const { session, streams, rules } = pooled;
  if (!session.isUsable || isUsedUp(pooled)) return false;
  const own = Math.min(maxStreams, rules?.maxStreams ?? maxStreams);
  return streams < Math.min(own, session.streamLimit ?? own);
};

const isUsedUp = ({ rules, requests, bornMs }: PooledSession): boolean =>
  rules !== undefined && (requests >= rules.maxRequests || performance.now() - bornMs >= rules.maxAgeMs);
