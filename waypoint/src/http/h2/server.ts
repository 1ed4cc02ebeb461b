/**
 * HTTP/2 with prior knowledge towards clients: inner bytes of a tunnel -> exchanges (spec/waypoint.md 1.5), over the framing of
 * @ambit/hbone. Path 4, step 4; data thread.
 */
import type { Endpoint } from '@ambit/net';
import type { LocalReply } from '@ambit/l7';
import { calm, ErrorCode, MAX_STREAM_ID } from '@ambit/hbone/framed/protocol';
import { Pings } from '@ambit/hbone/framed/pings';
import type { Http2Stream, StreamHandler } from '@ambit/hbone/framed/stream';
import { FramedTransport } from '@ambit/hbone/framed/transport';
import { WaypointError } from '../../errors.ts';
import type { ClientLimits, Timeout } from '../client-limits.ts';
import type { Exchange } from '../exchange.ts';
import { serverLimits } from './limits.ts';
import { type ExchangeEvents, Http2Exchange } from './server-exchange.ts';

/** The HTTP/2 side of a data thread. */
export interface Http2Server<Context> {
  /** Takes over a connection; `head` are bytes already taken from it, `context` comes back with each exchange. */
  accept(endpoint: Endpoint, head: Buffer, context: Context): void;
  /** GOAWAY on every session; running requests finish. */
  drain(): void;
  /** Looks at no deadline any more; sessions end with their tunnels. */
  destroy(): void;
}

/** Receives requests, and what happened to those that did not become one. */
export interface Http2Handler<Context> {
  onExchange(exchange: Exchange, context: Context): void;
  /** A head was larger than allowed, and was answered. */
  onRefused(reply: LocalReply, context: Context): void;
  /** A connection was closed for being slow. */
  onTimeout(what: Timeout): void;
}

/** Pace at which deadlines of connections are looked at. */
const sweepMs = 100;

/** Makes the server. */
export const createHttp2Server = <Context>(
  limits: () => ClientLimits,
  handler: Http2Handler<Context>,
): Http2Server<Context> => {
  const sessions = new Set<ServerSession>();
  let isDraining = false;
  const sweep = setInterval(() => {
    const now = performance.now();
    for (const session of sessions) session.check(now);
  }, sweepMs).unref();
  return {
    accept: (endpoint, head, context) => {
      const session: ServerSession = new ServerSession(endpoint, head, limits(), {
        onExchange: (exchange) => handler.onExchange(exchange, context),
        onRefused: (reply) => handler.onRefused(reply, context),
        onTimeout: (what) => handler.onTimeout(what),
        onEnd: () => sessions.delete(session),
      });
      sessions.add(session);
      if (isDraining) session.close();
    },
    drain: () => {
      isDraining = true;
      for (const session of sessions) session.close();
    },
    destroy: () => clearInterval(sweep),
  };
};

/** Streams of a session before its resets count, as upstream has it. */
const minStreams = 500;
/** Streams that were opened before the client saw the GOAWAY are here by then. */
const goawayGraceMs = 1000;

interface SessionEvents {
  onExchange(exchange: Exchange): void;
  onRefused(reply: LocalReply): void;
  onTimeout(what: Timeout): void;
  onEnd(): void;
}

/** One connection of a client. */
class ServerSession implements ExchangeEvents {
  readonly #transport: FramedTransport;
  readonly #pings: Pings;
  readonly #limits: ClientLimits;
  readonly #events: SessionEvents;
  /** Requests of this turn that nobody was asked about yet. */
  #fresh: Http2Exchange[] = [];
  #active = 0;
  #streams = 0;
  #earlyResets = 0;
  #state: 'open' | 'draining' | 'final' | 'closed' = 'open';
  /** Without a request since then, when so many streams had ended. */
  #quiet: { readonly sinceMs: number; readonly streams: number } | undefined;
  /** A head that is not whole since then. */
  #unfinished: { readonly sinceMs: number; readonly stream: number } | undefined;

  constructor(endpoint: Endpoint, early: Buffer, limits: ClientLimits, events: SessionEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#transport = new FramedTransport(
      endpoint,
      'client',
      true,
      serverLimits(limits.maxHeadBytes),
      {
        onStream: (stream) => this.#onStream(stream),
        onGoaway: () => undefined,
        onPong: (payload) => this.#pings.onPong(payload),
        onSendable: () => undefined,
        onStreamGone: () => undefined,
        onClosed: (error) => this.#onClosed(error),
      },
      { gathers: true, early },
    );
    this.#pings = new Pings(this.#transport);
  }

  /** Takes no further request; those in work finish. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.#transport.connection.goaway(ErrorCode.NO_ERROR, MAX_STREAM_ID);
    this.#pings.ping(() => this.#finishClose());
    setTimeout(() => this.#finishClose(), goawayGraceMs).unref();
  }

  /** Ends what is late. */
  check(nowMs: number): void {
    if (this.#state === 'closed') return;
    const stream = this.#transport.connection.unfinishedHead;
    if (stream === undefined) this.#unfinished = undefined;
    else if (this.#unfinished?.stream !== stream) this.#unfinished = { sinceMs: nowMs, stream };
    else if (nowMs - this.#unfinished.sinceMs >= this.#limits.headersMs) {
      this.#events.onTimeout('head');
      this.#transport.end(ErrorCode.ENHANCE_YOUR_CALM, calm('a head does not come to its end'));
      return;
    }
    if (this.#active > 0) this.#quiet = undefined;
    else if (this.#quiet?.streams !== this.#streams) this.#quiet = { sinceMs: nowMs, streams: this.#streams };
    else if (this.#state === 'open' && nowMs - this.#quiet.sinceMs >= this.#limits.idleMs) {
      this.#events.onTimeout('idle');
      this.close();
    }
  }

  onTooLarge(reply: LocalReply): void {
    this.#events.onRefused(reply);
  }

  onHead(exchange: Http2Exchange): void {
    if (this.#fresh.push(exchange) === 1) queueMicrotask(() => this.#offerFresh());
  }

  /** Streams that a client gave up before they had an answer (CVE-2023-44487): more than half of many end the connection. */
  onGone(isEarlyReset: boolean): void {
    this.#active -= 1;
    this.#streams += 1;
    if (isEarlyReset) this.#earlyResets += 1;
    if (this.#streams >= minStreams && this.#earlyResets * 2 > this.#streams) {
      // We are inside the parser: it stops after this frame, and the transport ends the connection.
      this.#transport.connection.fail(calm('too many streams reset'));
    } else if (this.#state === 'final') this.#endWhenEmpty();
  }

  #onStream(stream: Http2Stream): StreamHandler {
    this.#active += 1;
    return new Http2Exchange(this.#transport, stream, this.#limits, this).stream;
  }

  // Only when all that came at once is read: a stream that is opened and reset in one breath costs nobody a request.
  #offerFresh(): void {
    const exchanges = this.#fresh;
    this.#fresh = [];
    for (const exchange of exchanges) if (!exchange.isGone) this.#events.onExchange(exchange);
  }

  #finishClose(): void {
    if (this.#state !== 'draining') return;
    this.#state = 'final';
    this.#transport.connection.goaway(ErrorCode.NO_ERROR, this.#transport.connection.lastPeerStreamId);
    this.#transport.flushSoon();
    this.#endWhenEmpty();
  }

  #endWhenEmpty(): void {
    queueMicrotask(() => {
      if (this.#state === 'final' && this.#active === 0) this.#transport.close();
    });
  }

  #onClosed(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#pings.end();
    const lost = new WaypointError('ERR_WAYPOINT_CLIENT_GONE', 'the connection of the client ended', { cause: error });
    this.#transport.connection.loseStreams((handler) => (handler as Http2Exchange['stream']).onLost(lost));
    this.#events.onEnd();
  }
}
