// Between one verified TLS endpoint and the state machine: reads until there is nothing, sends what is framed, and
// decides when. Small frames leave at once while the connection is quiet and once per turn while it is busy; big ones
// one region at a time; streams that wait take turns. Owned by a session of this folder. Data threads.
import { performance } from 'node:perf_hooks';
import { AGAIN, type Endpoint, EOF, Region } from '@ambit/net';
import { Http2Connection } from './connection.ts';
import type { ConnectionHandler, ConnectionLimits, Http2Stream } from './stream.ts';
import type { FramedStream } from './framed-stream.ts';

/** This much is sent without waiting for the end of the turn. */
const SEND_NOW_BYTES = 64 * 1024;
/** So many turns with one message at most make a busy connection quiet again. */
const QUIET_TURNS = 20;
/** Pieces up to this size are copied out instead of keeping their block from its pool. */
const COPY_BYTES = 1024;
/** Time for the last frames (GOAWAY) of a connection that failed to leave before it is cut. */
const LINGER_MS = 1000;
/** Time for the peer to take the last bytes of a connection whose streams are all complete, and to end its side. */
const GRACEFUL_LINGER_MS = 60_000;

/** What the session is told. */
export interface TransportEvents extends ConnectionHandler {
  /** The connection is over; undefined = the peer ended it properly or we did. Exactly once. */
  onClosed(error: Error | undefined): void;
}

/** How a transport differs from that of a tunnel. */
export interface TransportOptions {
  /** Frames wait for the end of the turn even while the connection is quiet: where a head, its body and its end come together. */
  readonly gathers?: boolean;
  /** Bytes that somebody has already read from the endpoint. */
  readonly early?: Buffer | undefined;
}

/** One connection. */
export class FramedTransport {
  readonly connection: Http2Connection;
  readonly peerName: string;
  readonly local: Endpoint['local'];
  readonly remote: Endpoint['remote'];
  readonly #endpoint: Endpoint;
  readonly #events: TransportEvents;
  readonly #maxLentBytes: number;
  readonly #gathers: boolean;
  /** Streams with something to send, in turn. */
  #ready: FramedStream<unknown>[] = [];
  #isSending = false;
  #isReading = false;
  #isBlocked = false;
  #isTurnScheduled = false;
  /** While above 0 the connection is busy: a turn not long ago sent more than once, and small frames wait for each other. */
  #busyTurns = 0;
  /** The turn that last sent something, and whether it sent more than once. */
  #lastTurn = -1;
  #isTurnBusy = false;
  /** Nothing is framed or looked at any more. */
  #isClosed = false;
  #isTold = false;
  /** Bytes came since somebody asked. */
  #hasHeard = false;
  /** The region being received, and the owner of what was lent from it. */
  #current: Region | undefined;
  #lender: Region | undefined;
  /** Where the rest of the current region begins, which waits for the next turn. */
  #heldFrom: number | undefined;
  #lentBytes = 0;

  constructor(
    endpoint: Endpoint,
    peerName: string,
    isServer: boolean,
    limits: ConnectionLimits,
    events: TransportEvents,
    options: TransportOptions = {},
  ) {
    this.#endpoint = endpoint;
    this.#events = events;
    this.peerName = peerName;
    this.#gathers = options.gathers ?? false;
    this.local = endpoint.local;
    this.remote = endpoint.remote;
    this.#maxLentBytes = 2 * limits.connectionWindowBytes;
    const handler: ConnectionHandler = {
      onStream: (stream) => events.onStream(stream),
      onGoaway: (last, code) => events.onGoaway(last, code),
      onPong: (payload) => events.onPong(payload),
      onStreamGone: () => events.onStreamGone(),
      onSettings: () => events.onSettings?.(),
      onSendable: () => this.#sendReady(),
    };
    this.connection = new Http2Connection(isServer, limits, handler, Date.now);
    const onReadable = () => this.#read();
    endpoint.onReadable = onReadable;
    const onWritable = () => this.#onWritable();
    endpoint.onWritable = onWritable;
    const onClose = (error: Error | undefined) => this.#onClosed(error);
    endpoint.onClose = onClose;
    this.flush();
    // The owner attaches its own state first; what already arrived is looked at when it is done.
    const { early } = options;
    queueMicrotask(() => {
      if (early !== undefined && early.length > 0) this.#readEarly(Region.of(early));
      this.#read();
    });
  }

  /** Whether bytes came since this was last asked. */
  takeHeard(): boolean {
    const hasHeard = this.#hasHeard;
    this.#hasHeard = false;
    return hasHeard;
  }

  /** Credit for what a stream's reader took. */
  consumed(stream: Http2Stream | undefined, bytes: number): void {
    if (stream === undefined || this.#isClosed) return;
    this.connection.consumed(stream, bytes);
    this.flushSoon();
  }

  /** Resets a stream. */
  reset(stream: Http2Stream, code: number): void {
    if (this.#isClosed) return;
    this.connection.reset(stream, code);
    this.flushSoon();
  }

  /** A part of the region being received, for a stream that will release it. */
  lend(offset: number, length: number, headroom: number): Region {
    const current = this.#current as Region;
    if (length <= COPY_BYTES || this.#lentBytes > this.#maxLentBytes) {
      return Region.of(Buffer.from(current.block.subarray(offset, offset + length)));
    }
    let lender = this.#lender;
    if (lender === undefined) {
      const size = current.length;
      this.#lentBytes += size;
      lender = new Region(current.block, current.offset, size, () => {
        this.#lentBytes -= size;
        current.release();
      });
      this.#lender = lender;
    }
    return lender.slice(offset, length, headroom);
  }

  /** A stream has something to send, or wants to end its direction. */
  wantsToSend(stream: FramedStream<unknown>): void {
    if (this.#isClosed) return;
    if (this.#isBlocked || this.#isSending) return this.#queue(stream);
    while (stream.sendPiece()) {
      if (this.connection.output.bytes < SEND_NOW_BYTES) continue;
      this.flush();
      if (this.#isBlocked) return this.#queue(stream);
    }
    if (stream.isHeldByConnection) this.#queue(stream);
    this.flushSoon();
  }

  /** Sends what is framed, at the latest at the end of this turn. */
  flushSoon(): void {
    if (this.#isReading || this.#isBlocked || this.#isSending) return;
    const { bytes } = this.connection.output;
    if (bytes === 0) return;
    const turn = performance.nodeTiming.uvMetricsInfo.loopCount;
    const isFirst = turn !== this.#lastTurn;
    this.#lastTurn = turn;
    // A quiet connection needs no end of its turn: to schedule one costs a lonely message more than to frame it.
    if (isFirst && this.#busyTurns === 0 && !this.#gathers) return this.flush();
    this.#isTurnBusy ||= !isFirst;
    if (bytes >= SEND_NOW_BYTES) this.flush();
    if (!this.#isTurnScheduled) {
      this.#isTurnScheduled = true;
      setImmediate(this.#onTurnEnd);
    }
  }

  /** Sends what is framed. */
  flush(): void {
    if (this.#isClosed || this.#isBlocked || this.connection.output.bytes === 0) return;
    this.#isBlocked = this.#endpoint.write(this.connection.output.take()) === 'pending';
  }

  /**
   * Sends what is framed and ends our side; the owner is told when the peer has ended its own. Until then what it sends is read and
   * thrown away: a socket that is closed over unread bytes (a last WINDOW_UPDATE is enough) takes along what the peer has not got yet
   * (RFC 9112 9.6). Idempotent.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isBlocked = false;
    this.flush();
    this.#isClosed = true;
    const endpoint = this.#endpoint;
    const cut = this.#cutAfter(GRACEFUL_LINGER_MS);
    const onClose = () => {
      cut[Symbol.dispose]();
      this.#finish(undefined);
    };
    endpoint.onClose = onClose;
    const onReadable = () => this.#readAway();
    endpoint.onReadable = onReadable;
    endpoint.shutdownWrite();
    this.#readAway();
  }

  /** Ends the connection for a reason that streams are told, now. Idempotent. */
  end(code: number, reason: Error): void {
    if (this.#isTold) return;
    if (this.#isClosed) return this.#endpoint.destroy(reason);
    if (this.connection.failure === undefined) this.connection.goaway(code, this.connection.lastPeerStreamId);
    this.#isBlocked = false;
    this.flush();
    const endpoint = this.#endpoint;
    endpoint.close();
    if (!endpoint.isClosed) {
      const cut = this.#cutAfter(LINGER_MS);
      const onClose = () => cut[Symbol.dispose]();
      endpoint.onClose = onClose;
    }
    this.#finish(reason);
  }

  #queue(stream: FramedStream<unknown>): void {
    if (stream.isReady) return;
    stream.isReady = true;
    this.#ready.push(stream);
  }

  #onWritable(): void {
    this.#isBlocked = false;
    this.#sendReady();
    this.flush();
  }

  // Each waiting stream sends one piece and goes to the end of the line, until the connection is full.
  #sendReady(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    let hasMoved = true;
    while (hasMoved && this.#ready.length > 0 && !this.#isBlocked && !this.#isClosed) {
      const round = this.#ready;
      this.#ready = [];
      hasMoved = false;
      for (const [index, stream] of round.entries()) {
        if (this.#isBlocked) {
          this.#ready.push(...round.slice(index));
          break;
        }
        stream.isReady = false;
        hasMoved ||= stream.hasSendable;
        const hasMore = stream.sendPiece();
        if (this.connection.output.bytes >= SEND_NOW_BYTES) this.flush();
        if (hasMore || stream.isHeldByConnection) this.#queue(stream);
        stream.wakeWriter();
      }
    }
    this.#isSending = false;
    if (!this.#isReading) this.flush();
  }

  readonly #onTurnEnd = (): void => {
    this.#isTurnScheduled = false;
    this.#busyTurns = this.#isTurnBusy ? QUIET_TURNS : Math.max(0, this.#busyTurns - 1);
    this.#isTurnBusy = false;
    this.flush();
  };

  #read(): void {
    if (this.#isReading || this.#heldFrom !== undefined) return;
    this.#isReading = true;
    while (!this.#isClosed && this.connection.failure === undefined && this.#heldFrom === undefined) {
      const region = this.#endpoint.read();
      if (region === AGAIN) break;
      if (region === EOF) {
        this.#isReading = false;
        return this.#onEof();
      }
      this.#current = region;
      this.#receive(region, region.offset);
    }
    this.#afterReading();
  }

  #readEarly(region: Region): void {
    if (this.#isClosed || this.#current !== undefined) return;
    this.#isReading = true;
    this.#current = region;
    this.#receive(region, region.offset);
    this.#afterReading();
  }

  #afterReading(): void {
    this.#isReading = false;
    const { failure } = this.connection;
    if (failure !== undefined) return this.end(failure.code, failure);
    if (this.#gathers) return this.flushSoon();
    if (this.connection.output.bytes > 0) this.flush();
  }

  #receive(region: Region, from: number): void {
    this.#hasHeard = true;
    const end = region.offset + region.length;
    const stoppedAt = this.connection.receive(region.block, from, end);
    if (stoppedAt === end || this.#isClosed || this.connection.failure !== undefined) return this.#releaseCurrent();
    this.#heldFrom = stoppedAt;
    setImmediate(() => this.#receiveRest());
  }

  #receiveRest(): void {
    const [region, from] = [this.#current, this.#heldFrom];
    this.#heldFrom = undefined;
    if (region === undefined || from === undefined) return;
    if (this.#isClosed) return this.#releaseCurrent();
    this.#isReading = true;
    this.#receive(region, from);
    this.#afterReading();
    this.#read();
  }

  #releaseCurrent(): void {
    const held = this.#lender ?? this.#current;
    this.#current = undefined;
    this.#lender = undefined;
    held?.release();
  }

  #onEof(): void {
    if (this.#isClosed) return;
    this.#endpoint.close();
    this.#finish(undefined);
  }

  #onClosed(error: Error | undefined): void {
    this.#finish(error);
  }

  #readAway(): void {
    for (let next = this.#endpoint.read(); next !== AGAIN; next = this.#endpoint.read()) {
      if (next === EOF) return this.#endpoint.close();
      next.release();
    }
  }

  #cutAfter(ms: number): Disposable {
    const timer = setTimeout(() => this.#endpoint.destroy(new Error('the peer did not take the last frames')), ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  #finish(error: Error | undefined): void {
    this.#isClosed = true;
    if (this.#isTold) return;
    this.#isTold = true;
    this.connection.output.drop();
    this.#events.onClosed(error);
  }
}
