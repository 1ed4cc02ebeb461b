// Engine 2's tunnel: one HTTP/2 stream as an endpoint. In: events of the connection (StreamHandler) and calls of the
// tunnel's owner (Endpoint). Out: commands to the connection through the transport. END_STREAM = half-close, RST
// NO_ERROR or CANCEL after the answer = end of data, any other code = an error. Data threads.
import { AGAIN, type CloseCallback, CloseNotice, type Endpoint, EOF, type Region, type WriteResult } from '@ambit/net';
import { connectionLost, streamReset } from '../errors.ts';
import type { TunnelHeaders, TunnelStream } from '../tunnel.ts';
import type { Http2Stream, StreamHandler } from './stream.ts';
import type { FieldList } from './hpack/decoder.ts';
import { ErrorCode } from './protocol.ts';
import type { FramedTransport } from './transport.ts';

/** More than this queued for sending asks the writer to pause. */
const WRITE_HIGH_BYTES = 256 * 1024;
/** The writer may go on below this. */
const WRITE_LOW_BYTES = 64 * 1024;

/** What the two session kinds add. */
export interface FramedStreamEvents {
  /** A header list arrived that is not for the endpoint. */
  onFields(stream: FramedStream<unknown>, fields: FieldList | undefined, isEnd: boolean): void;
  /** The stream left the connection's table, with the code of a reset. */
  onGone(stream: FramedStream<unknown>, code: number | undefined): void;
}

/** An endpoint over one stream. */
export class FramedStream<Peer> implements TunnelStream<Peer>, StreamHandler {
  /** What `verifyPeer` returned for the connection. */
  readonly peer: Peer;
  readonly local: Endpoint['local'];
  readonly remote: Endpoint['remote'];
  responseHeaders: TunnelHeaders = {};
  bytesRead = 0;
  bytesWritten = 0;
  onReadable: (() => void) | undefined;
  onWritable: (() => void) | undefined;
  /** Set by the session: before the answer, every reset is a failure. */
  isAnswered = false;
  /** In the transport's list of streams with something to send. */
  isReady = false;
  readonly #transport: FramedTransport;
  readonly #events: FramedStreamEvents;
  #stream: Http2Stream | undefined;
  #received: Region[] = [];
  #receivedAt = 0;
  #toSend: Region[] = [];
  #toSendAt = 0;
  #toSendBytes = 0;
  #wantsReadable = true;
  #wantsWritable = false;
  #isRemoteEnded = false;
  #isEofTaken = false;
  #isWriteShut = false;
  #isEndSent = false;
  #isLocallyClosed = false;
  #isGoneTold = false;
  #isWhole = false;
  #trailers: FieldList | undefined;
  readonly #closeNotice = new CloseNotice();

  constructor(transport: FramedTransport, peer: Peer, events: FramedStreamEvents) {
    this.#transport = transport;
    this.#events = events;
    this.peer = peer;
    this.local = transport.local;
    this.remote = transport.remote;
  }

  /** The protocol's side of it; set once, right after it was opened or accepted. */
  attach(stream: Http2Stream): void {
    this.#stream = stream;
  }

  get stream(): Http2Stream | undefined {
    return this.#stream;
  }

  get isClosed(): boolean {
    return this.#closeNotice.isDue;
  }

  /** The peer ended its direction in order: what is to be read is all there is. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Our END_STREAM was framed. */
  get isEndSent(): boolean {
    return this.#stream?.isLocalEnded === true;
  }

  get onClose(): CloseCallback | undefined {
    return this.#closeNotice.callback;
  }

  set onClose(callback: CloseCallback | undefined) {
    this.#closeNotice.callback = callback;
  }

  read(): Region | typeof AGAIN | typeof EOF {
    const region = this.#received[this.#receivedAt];
    if (region !== undefined) {
      this.#receivedAt += 1;
      if (this.#receivedAt === this.#received.length) {
        this.#received = [];
        this.#receivedAt = 0;
      }
      this.#transport.consumed(this.#stream, region.length);
      return region;
    }
    if (this.#isRemoteEnded || this.isClosed) {
      this.#isEofTaken = true;
      this.#settle();
      return EOF;
    }
    this.#wantsReadable = true;
    return AGAIN;
  }

  write(regions: readonly Region[]): WriteResult {
    if (this.#isWriteShut || this.isClosed) {
      for (const region of regions) region.release();
      return 'accepted';
    }
    for (const region of regions) {
      if (region.length === 0) region.release();
      else {
        this.#toSend.push(region);
        this.#toSendBytes += region.length;
        this.bytesWritten += region.length;
      }
    }
    this.#transport.wantsToSend(this);
    if (this.#toSendBytes <= WRITE_HIGH_BYTES) return 'accepted';
    this.#wantsWritable = true;
    return 'pending';
  }

  shutdownWrite(): void {
    if (this.#isWriteShut || this.isClosed) return;
    this.#isWriteShut = true;
    this.#transport.wantsToSend(this);
  }

  close(): void {
    if (this.#isLocallyClosed || this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#dropReceived();
    if (this.#isEndSent) return this.#stopReading();
    this.#isWriteShut = true;
    this.#transport.wantsToSend(this);
  }

  destroy(reason: Error): void {
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#resetStream(ErrorCode.CANCEL);
    this.#finish(reason);
  }

  // ---- sending, called by the transport ----

  /** True when something waits that the windows would let through. */
  get hasSendable(): boolean {
    const stream = this.#stream;
    if (stream === undefined || stream.isGone || this.#isEndSent) return false;
    return this.#toSendBytes > 0 ? this.#transport.connection.sendable(stream) > 0 : this.#isWriteShut;
  }

  /** True when only the connection's own window keeps it from sending. */
  get isHeldByConnection(): boolean {
    const stream = this.#stream;
    if (stream === undefined || stream.isGone || this.#toSendBytes === 0) return false;
    return stream.sendWindow > 0 && this.#transport.connection.sendWindow <= 0;
  }

  /** Sends the answer that opens the tunnel. */
  answer(fields: FieldList): void {
    this.isAnswered = true;
    if (this.#stream === undefined || this.isClosed) return;
    this.#transport.connection.respond(this.#stream, fields, false);
    this.#transport.flushSoon();
  }

  /** Frames a header list that does not end the stream; it leaves with what follows it, at the latest at the end of the turn. */
  sendFields(fields: FieldList): void {
    if (this.#stream === undefined || this.isClosed || this.#isWriteShut) return;
    this.#transport.connection.respond(this.#stream, fields, false);
    this.#transport.flushSoon();
  }

  /** Half-close with trailers, after everything that was written. */
  endWith(trailers: FieldList): void {
    if (this.#isWriteShut) return;
    this.#trailers = trailers;
    this.shutdownWrite();
  }

  /** Nothing was to be sent but the head: called when the stream was opened with END_STREAM. */
  endedAtOpening(): void {
    this.#isWriteShut = true;
    this.#isEndSent = true;
  }

  /** Ends the stream both ways with this code. */
  resetWith(code: number, reason: Error): void {
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#resetStream(code);
    this.#finish(reason);
  }

  /** Sends the answer that ends the stream, and tells a peer that is still sending to stop. */
  endWithAnswer(fields: FieldList): void {
    const stream = this.#stream;
    if (stream === undefined || stream.isGone || this.#isWriteShut) return;
    this.#transport.connection.respond(stream, fields, true);
    this.#isWriteShut = true;
    this.#isEndSent = true;
    this.#isLocallyClosed = true;
    this.#dropReceived();
    if (stream.isGone) this.#tellGone(undefined);
    this.#stopReading();
    this.#transport.flushSoon();
  }

  /** Frames one piece; false when nothing (more) can go now. */
  sendPiece(): boolean {
    const stream = this.#stream;
    if (stream === undefined || !this.hasSendable) return false;
    const { connection } = this.#transport;
    const region = this.#toSend[this.#toSendAt];
    if (region === undefined) {
      if (this.#trailers === undefined) connection.end(stream);
      else connection.respond(stream, this.#trailers, true);
      this.#onEndSent();
      return false;
    }
    const room = connection.sendable(stream);
    const isWhole = region.length <= room;
    const piece = isWhole ? region : region.split(room);
    this.#toSendBytes -= piece.length;
    if (isWhole) this.#toSendAt += 1;
    if (this.#toSendAt === this.#toSend.length) {
      this.#toSend = [];
      this.#toSendAt = 0;
    }
    const isEnd = this.#isWriteShut && this.#toSendBytes === 0 && this.#trailers === undefined;
    connection.data(stream, piece, isEnd);
    if (isEnd) this.#onEndSent();
    return this.hasSendable;
  }

  /** Tells the writer that it may go on, when it waits and there is room. */
  wakeWriter(): void {
    if (!this.#wantsWritable || this.#toSendBytes > WRITE_LOW_BYTES) return;
    this.#wantsWritable = false;
    this.onWritable?.();
  }

  // ---- events of the protocol ----

  onFields(fields: FieldList | undefined, isEnd: boolean): void {
    this.#events.onFields(this, fields, isEnd);
  }

  onData(offset: number, length: number, headroom: number): void {
    if (this.#isLocallyClosed) return this.#transport.consumed(this.#stream, length);
    this.bytesRead += length;
    this.#received.push(this.#transport.lend(offset, length, headroom));
    this.#wakeReader();
  }

  onEnd(): void {
    this.#isWhole = true;
    this.#isRemoteEnded = true;
    if (this.#stream?.isGone === true) this.#tellGone(undefined);
    this.#wakeReader();
    this.#settle();
  }

  onReset(code: number, byPeer: boolean): void {
    this.#dropToSend();
    this.#isWriteShut = true;
    this.#isEndSent = true;
    this.#tellGone(code);
    const isOrdinary = byPeer && (code === ErrorCode.NO_ERROR || code === ErrorCode.CANCEL);
    // Complete, and only ours is no longer wanted (RFC 9113 8.1): what it sent stays readable.
    const isEnough = byPeer && code === ErrorCode.NO_ERROR && this.#isWhole;
    if (!isEnough && (!isOrdinary || !this.isAnswered)) {
      this.#dropReceived();
      return this.#finish(streamReset(this.#transport.peerName, code));
    }
    this.#isRemoteEnded = true;
    this.#wakeReader();
    this.#settle();
  }

  onSendable(): void {
    if (this.#toSendBytes === 0) return;
    this.#transport.wantsToSend(this);
    this.wakeWriter();
  }

  /** The connection broke or was ended. */
  onLost(reason: Error | undefined): void {
    this.#tellGone(undefined);
    this.#dropToSend();
    this.#dropReceived();
    this.#finish(reason ?? connectionLost(this.#transport.peerName, undefined));
  }

  // ---- details ----

  #onEndSent(): void {
    this.#isEndSent = true;
    if (this.#stream?.isGone === true) this.#tellGone(undefined);
    if (this.#isLocallyClosed) this.#stopReading();
    else this.#settle();
  }

  // Everything of ours is framed; the peer may still be sending: tell it to stop (RFC 9113 8.1).
  #stopReading(): void {
    if (!this.#isRemoteEnded) this.#resetStream(ErrorCode.NO_ERROR);
    this.#finish(undefined);
  }

  #resetStream(code: number): void {
    const stream = this.#stream;
    this.#dropToSend();
    this.#dropReceived();
    if (stream === undefined || stream.isGone) return;
    this.#transport.reset(stream, code);
    this.#tellGone(undefined);
  }

  #tellGone(code: number | undefined): void {
    if (this.#isGoneTold) return;
    this.#isGoneTold = true;
    this.#events.onGone(this, code);
  }

  #wakeReader(): void {
    if (!this.#wantsReadable || this.onReadable === undefined) return;
    this.#wantsReadable = false;
    this.onReadable();
  }

  #dropReceived(): void {
    const dropped = this.#received;
    let bytes = 0;
    for (let at = this.#receivedAt; at < dropped.length; at += 1) {
      const region = dropped[at] as Region;
      bytes += region.length;
      region.release();
    }
    this.#received = [];
    this.#receivedAt = 0;
    if (bytes > 0) this.#isWhole = false;
    if (bytes > 0) this.#transport.consumed(this.#stream, bytes);
  }

  #dropToSend(): void {
    for (let at = this.#toSendAt; at < this.#toSend.length; at += 1) (this.#toSend[at] as Region).release();
    this.#toSend = [];
    this.#toSendAt = 0;
    this.#toSendBytes = 0;
  }

  #settle(): void {
    if (this.#isRemoteEnded && this.#isEofTaken && this.#isEndSent) this.#finish(undefined);
  }

  #finish(error: Error | undefined): void {
    if (this.isClosed) return;
    this.#closeNotice.due(error);
    this.#isRemoteEnded = true;
    this.#isWriteShut = true;
  }
}
