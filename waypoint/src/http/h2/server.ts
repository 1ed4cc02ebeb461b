/**
 * HTTP/2 with prior knowledge towards clients: inner bytes of a tunnel -> exchanges (spec/waypoint.md 1.5), over the framing of
 * @ambit/hbone. Path 4, step 4; data thread.
 */
import type { Endpoint } from '@ambit/net';
import { calm, ErrorCode, MAX_STREAM_ID } from '@ambit/hbone/framed/protocol';
import { Pings } from '@ambit/hbone/framed/pings';
import type { Http2Stream, StreamHandler } from '@ambit/hbone/framed/stream';
import { FramedTransport } from '@ambit/hbone/framed/transport';
import { WaypointError } from '../../errors.ts';
import type { Exchange } from '../exchange.ts';
import { serverLimits } from './limits.ts';
import { type ExchangeEvents, Http2Exchange } from './server-exchange.ts';

/** The HTTP/2 side of a data thread. */
export interface Http2Server<Context> {
  /** Takes over a connection; `head` are bytes already taken from it, `context` comes back with each exchange. */
  accept(endpoint: Endpoint, head: Buffer, context: Context): void;
  /** GOAWAY on every session; running requests finish. */
  drain(): void;
}

/** Makes the server. */
export const createHttp2Server = <Context>(
  onExchange: (exchange: Exchange, context: Context) => void,
): Http2Server<Context> => {
  const sessions = new Set<ServerSession>();
  let isDraining = false;
  return {
    accept: (endpoint, head, context) => {
      const session: ServerSession = new ServerSession(
        endpoint,
        head,
        (exchange) => onExchange(exchange, context),
        () => sessions.delete(session),
      );
      sessions.add(session);
      if (isDraining) session.close();
    },
    drain: () => {
      isDraining = true;
      for (const session of sessions) session.close();
    },
  };
};

/** Streams of a session before its resets count, as upstream has it. */
const minStreams = 500;
/** Streams that were opened before the client saw the GOAWAY are here by then. */
const goawayGraceMs = 1000;

/** One connection of a client. */
class ServerSession implements ExchangeEvents {
  readonly #transport: FramedTransport;
  readonly #pings: Pings;
  readonly #onExchange: (exchange: Exchange) => void;
  readonly #onEnd: () => void;
  /** Requests of this turn that nobody was asked about yet. */
  #fresh: Http2Exchange[] = [];
  #active = 0;
  #streams = 0;
  #earlyResets = 0;
  #state: 'open' | 'draining' | 'final' | 'closed' = 'open';

  constructor(endpoint: Endpoint, early: Buffer, onExchange: (exchange: Exchange) => void, onEnd: () => void) {
    this.#onExchange = onExchange;
    this.#onEnd = onEnd;
    this.#transport = new FramedTransport(
      endpoint,
      'client',
      true,
      serverLimits(),
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
    return new Http2Exchange(this.#transport, stream, this).stream;
  }

  // Only when all that came at once is read: a stream that is opened and reset in one breath costs nobody a request.
  #offerFresh(): void {
    const exchanges = this.#fresh;
    this.#fresh = [];
    for (const exchange of exchanges) if (!exchange.isGone) this.#onExchange(exchange);
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
    this.#onEnd();
  }
}
