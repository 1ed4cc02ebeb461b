// The client side of HBONE for one listener on one data thread: tunnels by key, connections shared between them
// (spec node-proxy 2.6). In: keys and a `dial` that gives verified TLS endpoints. Out: open tunnels. It never decides
// identity: the key and `dial` carry what is expected.
import type { SecureEndpoint } from '@ambit/net';
import { type CancelSignal, offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import { type Clock, systemClock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { type ByteEngine, currentByteEngine } from './byte-engine.ts';
import { dialFailed } from './dial-error.ts';
import { HboneError } from './errors.ts';
import { openWatched } from './open-watched.ts';
import type { ClientSession } from './session.ts';
import { DEFAULT_LIMITS, type HboneLimits, type OpenOptions, type PoolKey, type TunnelStream } from './tunnel.ts';

/** What a pool needs. */
export interface PoolOptions<Peer> {
  /** Connects and handshakes; one call at a time per key, shared by everyone who waits. `signal` aborts with the pool. */
  readonly dial: (key: PoolKey, options: { readonly signal: AbortSignal }) => Promise<SecureEndpoint<Peer>>;
  readonly log: Logger;
  readonly limits?: Partial<HboneLimits>;
  readonly clock?: Clock;
  /** Default: the engine of this thread, asked per connection. */
  readonly engine?: ByteEngine;
}

/** Numbers for metrics and the admin page. */
export interface PoolStats {
  readonly connections: number;
  readonly idle: number;
  readonly streams: number;
  readonly dialing: number;
}

/** Tunnels by key. */
export interface HbonePool<Peer = unknown> {
  /** Opens a tunnel, on a shared connection when there is one. Failures are not remembered. Rejects with an HboneError or the signal's reason. */
  open(key: PoolKey, options: OpenOptions): Promise<TunnelStream<Peer>>;
  /** Takes matching connections out of use; their streams finish (certificate rotation, a peer that moved). */
  forget(predicate: (key: PoolKey, peer: Peer) => boolean): void;
  /** Ends matching connections now (revocation). */
  destroyWhere(predicate: (key: PoolKey, peer: Peer) => boolean, reason: Error): void;
  stats(): PoolStats;
  /** No new tunnels; connections end with their last stream. Idempotent. */
  close(): void;
  /** Ends everything now. Idempotent. */
  destroy(reason: Error): void;
  /** Resolves after close or destroy when the last connection is gone. */
  readonly closed: Promise<void>;
}

/** Makes a pool. */
export function createHbonePool<Peer>(options: PoolOptions<Peer>): HbonePool<Peer> {
  return new Pool(options);
}

interface Entry<Peer> {
  readonly name: string;
  readonly key: PoolKey;
  readonly sessions: Set<ClientSession<Peer>>;
  dialing: Promise<void> | undefined;
}

/** Times a request may meet a connection that began to drain before it was taken; the request was never processed. */
const MAX_DRAINING_RETRIES = 2;

class Pool<Peer> implements HbonePool<Peer> {
  readonly closed: Promise<void>;
  readonly #resolveClosed: () => void;
  readonly #entries = new Map<string, Entry<Peer>>();
  /** Insertion order is age: the first is idle for the longest time. */
  readonly #idle = new Map<ClientSession<Peer>, Disposable>();
  readonly #limits: HboneLimits;
  readonly #options: PoolOptions<Peer>;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #isClosed = false;

  constructor(options: PoolOptions<Peer>) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  async open(key: PoolKey, options: OpenOptions): Promise<TunnelStream<Peer>> {
    const deadline = options.timeoutMs === undefined ? undefined : this.#clock.now() + options.timeoutMs;
    return this.#ask(key, options, deadline, 0);
  }

  async #ask(
    key: PoolKey,
    options: OpenOptions,
    deadline: number | undefined,
    asked: number,
  ): Promise<TunnelStream<Peer>> {
    for (let retries = asked; ; retries += 1) {
      const session = await this.#sessionWithRoom(key, options, deadline);
      const request = remaining(options, deadline, this.#clock);
      try {
        if (retries >= MAX_DRAINING_RETRIES) return await session.open(request);
        return await openWatched(session, request, this.#clock, (signal) =>
          this.#ask(key, { ...options, signal }, deadline, retries + 1),
        );
      } catch (error) {
        const wasUntouched = HboneError.is(error) && error.code === 'ERR_HBONE_DRAINING';
        if (!wasUntouched || retries >= MAX_DRAINING_RETRIES || this.#isClosed) throw error;
      }
    }
  }

  forget(predicate: (key: PoolKey, peer: Peer) => boolean): void {
    this.#forEachSession((session, entry) => {
      if (predicate(entry.key, session.peer)) session.close();
    });
  }

  destroyWhere(predicate: (key: PoolKey, peer: Peer) => boolean, reason: Error): void {
    this.#forEachSession((session, entry) => {
      if (predicate(entry.key, session.peer)) session.destroy(reason);
    });
  }

  stats(): PoolStats {
    let connections = 0;
    let streams = 0;
    let dialing = 0;
    for (const entry of this.#entries.values()) {
      connections += entry.sessions.size;
      if (entry.dialing !== undefined) dialing += 1;
      for (const session of entry.sessions) streams += session.activeStreams;
    }
    return { connections, idle: this.#idle.size, streams, dialing };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#abort.abort(poolClosed());
    this.#forEachSession((session) => session.close());
    this.#settleClosed();
  }

  destroy(reason: Error): void {
    this.#isClosed = true;
    this.#abort.abort(reason);
    this.#forEachSession((session) => session.destroy(reason));
    this.#settleClosed();
  }

  async #sessionWithRoom(
    key: PoolKey,
    options: OpenOptions,
    deadline: number | undefined,
  ): Promise<ClientSession<Peer>> {
    const name = nameOf(key);
    for (;;) {
      if (this.#isClosed) throw poolClosed();
      options.signal?.throwIfAborted();
      const entry = this.#entryOf(name, key);
      for (const session of entry.sessions) if (session.tryReserve()) return session;
      // Whoever comes first dials; the others wait for the same dial and look again.
      entry.dialing ??= this.#dial(entry);
      const waitMs = deadline === undefined ? undefined : Math.max(0, deadline - this.#clock.now());
      await withLimits(entry.dialing, key.destination, options.signal, waitMs);
    }
  }

  async #dial(entry: Entry<Peer>): Promise<void> {
    try {
      const endpoint = await this.#options.dial(entry.key, { signal: this.#abort.signal });
      if (this.#isClosed) {
        endpoint.destroy(poolClosed());
        throw poolClosed();
      }
      if (endpoint.alpn !== undefined && endpoint.alpn !== 'h2') throw notHttp2(entry.key.destination, endpoint);
      this.#addSession(entry, endpoint);
    } catch (error) {
      throw dialFailed(entry.key.destination, error);
    } finally {
      entry.dialing = undefined;
      this.#dropEmpty(entry);
      if (this.#isClosed) this.#settleClosed();
    }
  }

  #addSession(entry: Entry<Peer>, endpoint: SecureEndpoint<Peer>): void {
    const { sessions } = this.#options.engine ?? currentByteEngine();
    const session: ClientSession<Peer> = sessions.client(endpoint, {
      peerName: entry.key.destination,
      limits: this.#limits,
      log: this.#options.log,
      onChange: () => this.#onChange(entry, session),
    });
    entry.sessions.add(session);
    this.#onChange(entry, session);
  }

  #onChange(entry: Entry<Peer>, session: ClientSession<Peer>): void {
    if (session.state === 'closed') {
      this.#stopIdle(session);
      entry.sessions.delete(session);
      this.#dropEmpty(entry);
      if (this.#isClosed) this.#settleClosed();
    } else if (session.activeStreams === 0 && session.state === 'ready') this.#startIdle(session);
    else this.#stopIdle(session);
  }

  #startIdle(session: ClientSession<Peer>): void {
    this.#stopIdle(session);
    const timer = this.#clock.setTimeout(() => this.#onIdleTooLong(session), this.#limits.unusedReleaseMs);
    this.#idle.set(session, timer);
    if (this.#idle.size <= this.#limits.maxIdleConnections) return;
    const [oldest] = this.#idle.keys();
    if (oldest !== undefined) this.#onIdleTooLong(oldest);
  }

  // Streams may have come since: then the next quiet moment starts a new timer.
  #onIdleTooLong(session: ClientSession<Peer>): void {
    this.#stopIdle(session);
    if (session.activeStreams === 0) session.close();
  }

  #stopIdle(session: ClientSession<Peer>): void {
    this.#idle.get(session)?.[Symbol.dispose]();
    this.#idle.delete(session);
  }

  #entryOf(name: string, key: PoolKey): Entry<Peer> {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry: Entry<Peer> = { name, key, sessions: new Set(), dialing: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  #dropEmpty(entry: Entry<Peer>): void {
    if (entry.sessions.size === 0 && entry.dialing === undefined && this.#entries.get(entry.name) === entry) {
      this.#entries.delete(entry.name);
    }
  }

  #forEachSession(fn: (session: ClientSession<Peer>, entry: Entry<Peer>) => void): void {
    for (const entry of this.#entries.values()) for (const session of entry.sessions) fn(session, entry);
  }

  #settleClosed(): void {
    for (const entry of this.#entries.values()) if (entry.sessions.size > 0 || entry.dialing !== undefined) return;
    this.#resolveClosed();
  }
}

function nameOf(key: PoolKey): string {
  const { source, destination, sourceAddress = '', expected } = key;
  return [source, destination, sourceAddress, expected.length, ...expected].join('\u0000');
}

function remaining(options: OpenOptions, deadline: number | undefined, clock: Clock): OpenOptions {
  return deadline === undefined ? options : { ...options, timeoutMs: Math.max(1, deadline - clock.now()) };
}

async function withLimits(
  shared: Promise<void>,
  peer: string,
  signal: CancelSignal | undefined,
  waitMs: number | undefined,
): Promise<void> {
  if (signal === undefined && waitMs === undefined) return shared;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal?.reason);
  onCancelled(signal, onAbort);
  const timer = waitMs === undefined ? undefined : setTimeout(() => reject(dialTimedOut(peer, waitMs)), waitMs);
  shared.then(resolve, reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    offCancelled(signal, onAbort);
  }
}

function dialTimedOut(peer: string, waitMs: number): HboneError {
  return new HboneError('ERR_HBONE_TIMEOUT', `no connection to ${peer} within ${waitMs} ms`);
}

function poolClosed(): HboneError {
  return new HboneError('ERR_HBONE_CLOSED', 'pool draining');
}

function notHttp2(peer: string, endpoint: SecureEndpoint): HboneError {
  const error = new HboneError('ERR_HBONE_HANDSHAKE', `${peer} does not speak h2 but ${endpoint.alpn}`);
  endpoint.destroy(error);
  return error;
}
