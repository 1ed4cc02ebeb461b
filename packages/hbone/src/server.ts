// The server side of HBONE for one identity: TLS, HTTP/2, and tunnel requests out (spec node-proxy 3.2). Called per
// accepted connection on a data thread. It owns every connection it accepted; the app owns the tunnels it accepts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, type SecureEndpoint, secureServer, type TlsContext, type VerifyPeer } from '@ambit/net';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import { type ByteEngine, currentByteEngine } from './byte-engine.ts';
import { HboneError } from './errors.ts';
import { allowanceKey, PeerAllowances } from './peer-allowances.ts';
import type { ServerSession } from './session.ts';
import { SourceConduct } from './source-conduct.ts';
import { DEFAULT_LIMITS, type HboneLimited, type HboneLimits, type TunnelRequest } from './tunnel.ts';

/** What a server needs. */
export interface HboneServerOptions<Peer> {
  /** The context, or a question asked per connection (rotation, certificate not there yet: the accept waits). */
  readonly tls: TlsContext | (() => TlsContext | Promise<TlsContext>);
  readonly verifyPeer: VerifyPeer<Peer>;
  /** Gets each CONNECT; answers it now or later. A throw is answered with 503. */
  readonly onTunnel: (request: TunnelRequest<Peer>) => void;
  readonly log: Logger;
  readonly limits?: Partial<HboneLimits>;
  /** A connection that never became a session; `error` is a NetError of the handshake (or what `tls` threw). */
  readonly onHandshakeFailed?: (error: Error, endpoint: Endpoint) => void;
  /** A request that is no tunnel was answered with 400; for the log. */
  readonly onMalformed?: (request: TunnelRequest<Peer>, reason: string) => void;
  /** A peer met a limit; for metrics. */
  readonly onLimited?: (limit: HboneLimited) => void;
  /** Default: the engine of this thread, asked per connection. */
  readonly engine?: ByteEngine;
}

/** Accepts connections. */
export interface HboneServer<Peer = unknown> {
  /** Takes a plain endpoint over (or any other, in double HBONE). */
  accept(endpoint: Endpoint): void;
  /** Ends matching connections now (revocation, identity gone). */
  destroyWhere(predicate: (peer: Peer) => boolean, reason: Error): void;
  /** Live connections, handshakes included. */
  readonly connections: number;
  /** Open tunnels, unanswered requests included. */
  readonly streams: number;
  /** GOAWAY everywhere; connections end with their last stream. Idempotent. */
  close(): void;
  /** Ends everything now. Idempotent. */
  destroy(reason: Error): void;
  /** Resolves after close or destroy when the last connection is gone. */
  readonly closed: Promise<void>;
}

/** Makes a server. */
export function createHboneServer<Peer>(options: HboneServerOptions<Peer>): HboneServer<Peer> {
  return new Server(options);
}

class Server<Peer> implements HboneServer<Peer> {
  readonly closed: Promise<void>;
  readonly #resolveClosed: () => void;
  readonly #options: HboneServerOptions<Peer>;
  readonly #limits: HboneLimits;
  readonly #sessions = new Set<ServerSession<Peer>>();
  readonly #allowances: PeerAllowances;
  readonly #conduct: SourceConduct;
  readonly #abort = new AbortController();
  #handshaking = 0;
  /** Handshakes under way by address of the peer. */
  readonly #handshakingFrom = new Map<string, number>();
  #isClosed = false;

  constructor(options: HboneServerOptions<Peer>) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#allowances = new PeerAllowances(this.#limits);
    this.#conduct = new SourceConduct(this.#limits);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get connections(): number {
    return this.#sessions.size + this.#handshaking;
  }

  get streams(): number {
    let streams = 0;
    for (const session of this.#sessions) streams += session.activeStreams;
    return streams;
  }

  accept(endpoint: Endpoint): void {
    if (this.#isClosed) return endpoint.destroy(serverClosed());
    const waitMs = this.#enter(endpoint);
    if (waitMs === undefined) return this.#options.onLimited?.('handshakes');
    background(this.#options.log, 'accept tunnel connection', this.#handshake(endpoint, waitMs));
  }

  destroyWhere(predicate: (peer: Peer) => boolean, reason: Error): void {
    for (const session of this.#sessions) if (predicate(session.peer)) session.destroy(reason);
  }

  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.close();
    this.#settleClosed();
  }

  destroy(reason: Error): void {
    this.#isClosed = true;
    this.#abort.abort(reason);
    for (const session of this.#sessions) session.destroy(reason);
    this.#settleClosed();
  }

  /** Counts a handshake and says how long it waits, ms; undefined when its source has too many, and the connection is gone. */
  #enter(endpoint: Endpoint): number | undefined {
    const source = sourceOf(endpoint);
    const count = (this.#handshakingFrom.get(source) ?? 0) + 1;
    const waitMs = count > this.#limits.maxHandshakesPerSource ? undefined : this.#conduct.waitMs(source, Date.now());
    if (waitMs === undefined) {
      endpoint.destroy(tooManyHandshakes(source));
      return undefined;
    }
    this.#handshakingFrom.set(source, count);
    this.#handshaking += 1;
    return waitMs;
  }

  #leave(source: string): void {
    const left = (this.#handshakingFrom.get(source) ?? 1) - 1;
    if (left === 0) this.#handshakingFrom.delete(source);
    else this.#handshakingFrom.set(source, left);
    this.#handshaking -= 1;
  }

  async #handshake(endpoint: Endpoint, waitMs: number): Promise<void> {
    const source = sourceOf(endpoint);
    try {
      const { signal } = this.#abort;
      if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      const { tls, verifyPeer } = this.#options;
      const context = typeof tls === 'function' ? await tls() : tls;
      signal.throwIfAborted();
      const timeoutMs = this.#limits.handshakeTimeoutMs;
      const engine = this.#options.engine ?? currentByteEngine();
      const secureOptions = { verifyPeer, timeoutMs, signal, engine: engine.secure };
      this.#start(await secureServer(endpoint, context, secureOptions), engine);
    } catch (error) {
      endpoint.destroy(error instanceof Error ? error : serverClosed());
      if (error instanceof Error) this.#options.onHandshakeFailed?.(error, endpoint);
    } finally {
      this.#leave(source);
      this.#settleClosed();
    }
  }

  #start(endpoint: SecureEndpoint<Peer>, engine: ByteEngine): void {
    const source = sourceOf(endpoint);
    const peer = allowanceKey(endpoint);
    const allowance = this.#allowances.take(peer);
    const session = engine.sessions.server<Peer>(endpoint, {
      limits: this.#limits,
      allowance,
      log: this.#options.log,
      onTunnel: this.#options.onTunnel,
      onMalformed: (request, reason) => this.#options.onMalformed?.(request, reason),
      onLimited: (limit) => this.#options.onLimited?.(limit),
      onClosed: (ended, wasOffence) => {
        this.#sessions.delete(ended);
        this.#allowances.leave(peer, allowance, Date.now());
        if (this.#conduct.sessionEnded(source, peer, wasOffence, Date.now())) this.#warnOf(source);
        this.#settleClosed();
      },
    });
    this.#conduct.sessionBegan(source, peer);
    this.#sessions.add(session);
    if (this.#isClosed) session.close();
  }

  #warnOf(source: string): void {
    this.#options.log.warn('a peer broke the rules of HTTP/2 or met a limit, its next TLS handshakes wait', {
      peer: source,
    });
  }

  #settleClosed(): void {
    if (this.#isClosed && this.connections === 0) this.#resolveClosed();
  }
}

function sourceOf(endpoint: Endpoint): string {
  return endpoint.remote?.ip ?? '';
}

function serverClosed(): HboneError {
  return new HboneError('ERR_HBONE_CLOSED', 'connection closed due to connection drain');
}

function tooManyHandshakes(source: string): HboneError {
  return new HboneError(
    'ERR_HBONE_ABUSE',
    `${source} has too many TLS handshakes under way, or waiting after an offence`,
  );
}
