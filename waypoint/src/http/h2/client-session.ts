/**
 * One HTTP/2 connection to a backend with prior knowledge, over the framing of @ambit/hbone (spec/waypoint.md 5.1, 5.2). Owned by
 * session-pool.ts; streams belong to client-call.ts. Data thread.
 */
import type { Endpoint } from '@ambit/net';
import { FramedStream, type FramedStreamEvents } from '@ambit/hbone/framed/framed-stream';
import { Pings } from '@ambit/hbone/framed/pings';
import { ErrorCode } from '@ambit/hbone/framed/protocol';
import { FramedTransport } from '@ambit/hbone/framed/transport';
import { startKeepalive } from '@ambit/hbone/keepalive';
import { WaypointError } from '../../errors.ts';
import type { PingRule } from '../upstream.ts';
import { clientLimits } from './limits.ts';

/** What the pool is told, each once, in this order. */
export interface SessionEvents {
  /** It takes no further request. */
  onClosing(): void;
  /** Nothing is in work on it any more. */
  onEnd(): void;
}

/** A connection of the pool. State: open -> closing (streams finish) -> closed. */
export class ClientSession {
  /** Resolves with the first SETTINGS of the peer, or when the session is over. */
  readonly settled: Promise<void>;
  readonly #transport: FramedTransport;
  readonly #pings: Pings;
  readonly #keepalive: Disposable | undefined;
  readonly #streams = new Set<FramedStream<undefined>>();
  readonly #events: SessionEvents;
  #settle: () => void;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #lost: Error | undefined;
  #isEnded = false;

  constructor(endpoint: Endpoint, events: SessionEvents, ping: PingRule | undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.settled = promise;
    this.#settle = resolve;
    this.#events = events;
    this.#transport = new FramedTransport(
      endpoint,
      'backend',
      false,
      clientLimits(),
      {
        onStream: () => {
          throw new Error('a client never gets a stream');
        },
        onGoaway: (last) => this.#onGoaway(last),
        onPong: (payload) => this.#pings.onPong(payload),
        onSendable: () => undefined,
        onStreamGone: () => undefined,
        onSettings: () => this.#settle(),
        onClosed: (error) => this.#onClosed(error),
      },
      { gathers: true },
    );
    this.#pings = new Pings(this.#transport);
    const onDead = (error: Error) => this.destroy(error);
    this.#keepalive = ping === undefined ? undefined : startKeepalive(this.#pings, 'backend', ping, onDead);
  }

  /** Whether another request may be sent. */
  get isUsable(): boolean {
    return this.#state === 'open' && this.#transport.connection.canOpen;
  }

  /** The connection is over. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Streams that the peer lets us open; undefined: no limit told. */
  get streamLimit(): number | undefined {
    return this.#transport.connection.peerSettings.maxConcurrentStreams;
  }

  /** The peer announced the extended CONNECT (RFC 8441). */
  get takesExtendedConnect(): boolean {
    return this.#transport.connection.peerSettings.takesExtendedConnect;
  }

  /** Sends a head; only while `isUsable`. `isEnd`: nothing follows it. */
  open(fields: readonly string[], isEnd: boolean, events: FramedStreamEvents): FramedStream<undefined> {
    const stream: FramedStream<undefined> = new FramedStream(this.#transport, undefined, {
      onFields: (own, list, ends) => events.onFields(own, list, ends),
      onGone: (own, code) => {
        this.#streams.delete(stream);
        events.onGone(own, code);
        if (this.#state === 'closing') this.#endWhenEmpty();
      },
    });
    this.#streams.add(stream);
    stream.attach(this.#transport.connection.open(fields, stream, isEnd));
    if (isEnd) stream.endedAtOpening();
    this.#transport.flushSoon();
    return stream;
  }

  /** Takes no further request; what is open finishes. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#events.onClosing();
    this.#endWhenEmpty();
  }

  /** Ends everything now. */
  destroy(reason: Error): void {
    if (this.#state === 'closed') return;
    this.#lost ??= reason;
    this.#transport.end(ErrorCode.NO_ERROR, reason);
  }

  /** Streams above `last` were not looked at and may be sent again, on another connection. */
  #onGoaway(last: number): void {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#events.onClosing();
    }
    for (const stream of this.#streams) {
      const http2 = stream.stream;
      if (http2 === undefined || http2.id <= last) continue;
      this.#transport.reset(http2, ErrorCode.CANCEL);
      stream.onReset(ErrorCode.REFUSED_STREAM, false);
    }
    this.#endWhenEmpty();
  }

  // Not from inside the call that took the last stream: its frames are still to be written.
  #endWhenEmpty(): void {
    queueMicrotask(() => {
      if (this.#state !== 'closing' || this.#streams.size > 0) return;
      this.#endPings();
      this.#transport.connection.goaway(ErrorCode.NO_ERROR, 0);
      this.#transport.close();
      this.#end();
    });
  }

  #onClosed(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const isNews = this.#state === 'open';
    this.#state = 'closed';
    this.#endPings();
    this.#settle();
    const lost =
      this.#lost ?? new WaypointError('ERR_WAYPOINT_UPSTREAM', 'the connection to the backend ended', { cause: error });
    this.#transport.connection.loseStreams((handler) => (handler as FramedStream<undefined>).onLost(lost));
    if (isNews) this.#events.onClosing();
    this.#end();
  }

  #endPings(): void {
    this.#keepalive?.[Symbol.dispose]();
    this.#pings.end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#events.onEnd();
  }
}
