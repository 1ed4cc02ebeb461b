// HTTP/2 for tunnels, one connection, either role, as a state machine without I/O (RFC 9113). In: received bytes and
// commands. Out: events to the stream's handler and to the owner, and frames in `output`. Knows no socket, no timer, no
// tunnel; used by transport.ts. Limits: every length before memory is taken, every cheap frame by a token bucket.
import type { Region } from '@ambit/net';
import { createIdleFrameLimiter, type ResetLimiter } from '../reset-limiter.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { type FieldList, HpackDecoder } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import {
  calm,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  Flag,
  flowBroken,
  FrameType,
  Http2ProtocolError,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  PREFACE,
} from './protocol.ts';
import { RecentStreams } from './recent-streams.ts';
import { type ConnectionHandler, type ConnectionLimits, Http2Stream, type StreamHandler } from './stream.ts';
import { applySettings, type PeerSettings, settingsPayload } from './settings.ts';

/** The table that we let the peer's encoder use. */
const HEADER_TABLE_BYTES = 4096;
/** WINDOW_UPDATE frames allowed for each DATA frame that we sent, beyond a stock of their own. */
const UPDATES_PER_DATA_FRAME = 10;
const UPDATE_STOCK = 10_000;
/** Streams that the peer may open before other connections get their turn: each costs us far more than the peer. */
const NEW_STREAMS_PER_TURN = 8;
/** Answers that the peer makes us queue without reading them. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** The state machine. */
export class Http2Connection implements FrameSink {
  readonly output = new FrameWriter();
  readonly #isServer: boolean;
  readonly #limits: ConnectionLimits;
  readonly #handler: ConnectionHandler;
  readonly #now: () => number;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder(HEADER_TABLE_BYTES);
  readonly #encoder: HpackEncoder;
  readonly #idleFrames: ResetLimiter;
  readonly #recent = new RecentStreams();
  readonly #peer: PeerSettings = {
    initialWindowBytes: DEFAULT_WINDOW_BYTES,
    maxFrameBytes: DEFAULT_FRAME_BYTES,
    maxConcurrentStreams: undefined,
    headerTableBytes: HEADER_TABLE_BYTES,
    takesExtendedConnect: false,
  };
  #updatesLeft = UPDATE_STOCK;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #receiveWindow: number;
  #owedBytes = 0;
  #newStreams = 0;
  #nextId = 1;
  #lastPeerId = 0;
  #acceptUpTo = MAX_STREAM_ID;
  #failure: Http2ProtocolError | undefined;

  constructor(isServer: boolean, limits: ConnectionLimits, handler: ConnectionHandler, now: () => number) {
    this.#isServer = isServer;
    this.#limits = limits;
    this.#handler = handler;
    this.#now = now;
    this.#encoder = new HpackEncoder(limits.repeats);
    this.#idleFrames = limits.idleFrames ?? createIdleFrameLimiter();
    this.#reader = new FrameReader(isServer, limits, this);
    this.#receiveWindow = limits.connectionWindowBytes;
    this.#begin();
  }

  /** Why the connection cannot go on; GOAWAY is then in `output`. */
  get failure(): Http2ProtocolError | undefined {
    return this.#failure;
  }

  /** Streams in the table. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** What the peer told. */
  get peerSettings(): Readonly<PeerSettings> {
    return this.#peer;
  }

  /** False once stream ids are used up or the connection failed. */
  get canOpen(): boolean {
    return this.#failure === undefined && this.#nextId <= MAX_STREAM_ID;
  }

  /** The stream whose header list has begun to come and is not whole. */
  get unfinishedHead(): number | undefined {
    return this.#reader.unfinishedHead;
  }

  /** The highest stream that the peer opened. */
  get lastPeerStreamId(): number {
    return this.#lastPeerId;
  }

  /** Bytes that the connection's own window still allows. */
  get sendWindow(): number {
    return this.#sendWindow;
  }

  /**
   * Takes received bytes and returns where it stopped: at `end`, or earlier when the peer opened so many streams that the rest has to
   * wait for the next turn of the event loop. Never throws for what a peer sent; see `failure` afterwards.
   */
  receive(bytes: Buffer, start: number, end: number): number {
    if (this.#failure !== undefined) return end;
    this.#newStreams = 0;
    try {
      return this.#reader.feed(bytes, start, end);
    } catch (error) {
      if (!(error instanceof Http2ProtocolError)) throw error;
      this.fail(error);
      return end;
    }
  }

  /** Ends the connection for what the peer did; nothing more of it is looked at. */
  fail(error: Http2ProtocolError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#reader.pause();
    this.goaway(error.code, this.#lastPeerId, error.message);
  }

  /** Opens a stream with this header list, after which nothing follows when `isEnd`. Clients only. */
  open(fields: FieldList, handler: StreamHandler, isEnd = false): Http2Stream {
    const stream = new Http2Stream(this.#nextId, this.#peer.initialWindowBytes, this.#limits.streamWindowBytes);
    stream.handler = handler;
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    this.#sendFields(stream, fields, isEnd);
    stream.isLocalEnded = isEnd;
    return stream;
  }

  /** Sends a header list on an open stream. */
  respond(stream: Http2Stream, fields: FieldList, isEnd: boolean): void {
    if (stream.isGone || stream.isLocalEnded) return;
    this.#sendFields(stream, fields, isEnd);
    if (isEnd) this.#endLocal(stream);
  }

  /** Payload bytes that may be sent on this stream now. */
  sendable(stream: Http2Stream): number {
    if (stream.isGone || stream.isLocalEnded) return 0;
    return Math.max(0, Math.min(stream.sendWindow, this.#sendWindow, this.#peer.maxFrameBytes));
  }

  /** Sends one DATA frame of at most `sendable` bytes and takes the region over. */
  data(stream: Http2Stream, region: Region, isEnd: boolean): void {
    stream.sendWindow -= region.length;
    this.#sendWindow -= region.length;
    this.#updatesLeft = Math.min(UPDATE_STOCK, this.#updatesLeft + UPDATES_PER_DATA_FRAME);
    this.output.data(region, stream.id, isEnd);
    if (isEnd) this.#endLocal(stream);
  }

  /** Half-close. */
  end(stream: Http2Stream): void {
    if (stream.isGone || stream.isLocalEnded) return;
    this.output.small(0, FrameType.DATA, Flag.END_STREAM, stream.id);
    this.#endLocal(stream);
  }

  /** Ends a stream both ways. The handler is not told. */
  reset(stream: Http2Stream, code: number): void {
    if (stream.isGone) return;
    this.#sendReset(stream.id, code);
    this.#recent.addReset(stream.id);
    this.#forget(stream);
  }

  /** The reader of a stream took (or threw away) this many bytes: credit for the peer. */
  consumed(stream: Http2Stream, bytes: number): void {
    this.#credit(bytes);
    if (stream.isGone || stream.isRemoteEnded) return;
    stream.owedBytes += bytes;
    if (stream.owedBytes < this.#limits.streamWindowBytes / 4) return;
    stream.receiveWindow += stream.owedBytes;
    this.#sendUpdate(stream.id, stream.owedBytes);
    stream.owedBytes = 0;
  }

  /** Asks the peer for an answer with the same payload. */
  ping(payload: number): void {
    this.output.ping(payload);
  }

  /** Tells the peer up to which stream its requests are served; later ones are not looked at. */
  goaway(code: number, lastStreamId: number, text = ''): void {
    this.#acceptUpTo = Math.min(this.#acceptUpTo, lastStreamId);
    this.output.goaway(lastStreamId, code, text);
  }

  /** Tells every stream that it is over and empties the table. */
  loseStreams(tell: (handler: StreamHandler) => void): void {
    for (const stream of this.#streams.values()) {
      const { handler } = stream;
      this.#forget(stream);
      if (handler !== undefined) tell(handler);
    }
  }

  // ---- frames that arrived (FrameSink) ----

  onDataStart(id: number, length: number, isEnd: boolean): void {
    if (length > this.#receiveWindow) throw flowBroken('connection window exceeded');
    this.#receiveWindow -= length;
    if (length === 0 && !isEnd) this.onIdleFrame();
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isRemoteEnded) return this.#onLateData(id, stream);
    if (length > stream.receiveWindow) return this.#breakStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
    stream.receiveWindow -= length;
  }

  onDataPiece(id: number, offset: number, length: number, headroom: number): void {
    const stream = this.#streams.get(id);
    if (stream?.handler === undefined || stream.isRemoteEnded) this.#credit(length);
    else stream.handler.onData(offset, length, headroom);
  }

  onPadding(id: number, bytes: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#credit(bytes);
    else this.consumed(stream, bytes);
  }

  onDataEnd(id: number, isEnd: boolean): void {
    const stream = this.#streams.get(id);
    if (isEnd && stream !== undefined) this.#endRemote(stream);
  }

  onHeaderBlock(id: number, block: Buffer, start: number, end: number, isEnd: boolean, dependsOnItself: boolean): void {
    const decoded = this.#decoder.decode(block, start, end, this.#limits.maxHeaderListBytes);
    const fields = decoded.isTooLong ? undefined : decoded.fields;
    const known = this.#streams.get(id);
    const stream = known ?? this.#newStream(id);
    if (stream === undefined) return;
    if (dependsOnItself) return this.#breakStream(stream, ErrorCode.PROTOCOL_ERROR);
    if (stream.isRemoteEnded) return this.#breakStream(stream, ErrorCode.STREAM_CLOSED);
    if (stream.hasHead && !isEnd) return this.#breakStream(stream, ErrorCode.PROTOCOL_ERROR);
    if (known === undefined) stream.handler = this.#handler.onStream(stream);
    stream.handler?.onFields(fields, isEnd);
    if (isEnd) this.#endRemote(stream);
  }

  onPriority(id: number, dependsOnItself: boolean, isWrongSize: boolean): void {
    this.onIdleFrame();
    if (!dependsOnItself && !isWrongSize) return;
    const code = isWrongSize ? ErrorCode.FRAME_SIZE_ERROR : ErrorCode.PROTOCOL_ERROR;
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#sendReset(id, code);
    else this.#breakStream(stream, code);
  }

  onResetFrame(id: number, code: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#refuseIdle(id, 'RST_STREAM');
      return this.onIdleFrame();
    }
    const { handler } = stream;
    this.#recent.addClosed(id);
    this.#forget(stream);
    handler?.onReset(code, true);
  }

  onSettings(block: Buffer, start: number, end: number): void {
    this.onIdleFrame();
    const before = this.#peer.initialWindowBytes;
    applySettings(this.#peer, this.#isServer, block, start, end);
    this.#encoder.setPeerTableSize(this.#peer.headerTableBytes);
    const difference = this.#peer.initialWindowBytes - before;
    this.output.small(0, FrameType.SETTINGS, Flag.ACK, 0);
    this.#limitQueue();
    this.#handler.onSettings?.();
    if (difference === 0) return this.#handler.onSendable();
    for (const stream of this.#streams.values()) {
      if (stream.sendWindow + difference > MAX_WINDOW_BYTES) throw flowBroken('stream window overflow by SETTINGS');
      stream.sendWindow += difference;
    }
    for (const stream of this.#streams.values()) if (stream.sendWindow > 0) stream.handler?.onSendable();
    this.#handler.onSendable();
  }

  onPing(isAck: boolean, bytes: Buffer, at: number): void {
    if (isAck) return this.#handler.onPong(bytes.readUInt32BE(at + 4));
    this.onIdleFrame();
    const to = this.output.small(8, FrameType.PING, Flag.ACK, 0);
    bytes.copy(this.output.block, to, at, at + 8);
    this.#limitQueue();
  }

  onGoawayFrame(lastStreamId: number, code: number): void {
    this.#handler.onGoaway(lastStreamId, code);
  }

  onWindowUpdate(id: number, increment: number): void {
    this.#updatesLeft -= 1;
    if (this.#updatesLeft < 0) this.onIdleFrame();
    if (id === 0) {
      if (increment === 0) throw new Http2ProtocolError(ErrorCode.PROTOCOL_ERROR, 'window increment of 0');
      if (this.#sendWindow + increment > MAX_WINDOW_BYTES) throw flowBroken('connection window overflow');
      this.#sendWindow += increment;
      return this.#handler.onSendable();
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#refuseIdle(id, 'WINDOW_UPDATE');
    if (increment === 0) return this.#breakStream(stream, ErrorCode.PROTOCOL_ERROR);
    if (stream.sendWindow + increment > MAX_WINDOW_BYTES) {
      return this.#breakStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
    }
    stream.sendWindow += increment;
    stream.handler?.onSendable();
  }

  onIdleFrame(): void {
    if (!this.#idleFrames.take(this.#now())) throw calm('too many frames that carry nothing');
  }

  #begin(): void {
    if (!this.#isServer) {
      const at = this.output.raw(PREFACE.length);
      PREFACE.copy(this.output.block, at);
    }
    this.output.copied(settingsPayload(this.#isServer, this.#limits), FrameType.SETTINGS, 0, 0);
    const extra = this.#limits.connectionWindowBytes - DEFAULT_WINDOW_BYTES;
    if (extra > 0) this.#sendUpdate(0, extra);
  }

  #newStream(id: number): Http2Stream | undefined {
    const isTheirs = this.#isServer && id % 2 === 1;
    if (!isTheirs) {
      this.#refuseIdle(id, 'HEADERS');
      return undefined;
    }
    if (id <= this.#lastPeerId) return this.#onLateHeaders(id);
    this.#lastPeerId = id;
    this.#newStreams += 1;
    if (this.#newStreams >= NEW_STREAMS_PER_TURN) this.#reader.pause();
    if (id > this.#acceptUpTo) return undefined;
    if (this.#streams.size >= this.#limits.maxConcurrentStreams) {
      this.#sendReset(id, ErrorCode.REFUSED_STREAM);
      this.#recent.addReset(id);
      this.#countBroken();
      return undefined;
    }
    const stream = new Http2Stream(id, this.#peer.initialWindowBytes, this.#limits.streamWindowBytes);
    this.#streams.set(id, stream);
    return stream;
  }

  #onLateHeaders(id: number): undefined {
    const known = this.#recent.kindOf(id);
    if (known === 'reset') return undefined;
    const code = known === 'closed' ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    throw new Http2ProtocolError(code, `HEADERS for stream ${id} after stream ${this.#lastPeerId}`);
  }

  // DATA that nobody reads: its credit goes back with its pieces. After our own reset it was on its way; else the peer errs.
  #onLateData(id: number, stream: Http2Stream | undefined): void {
    if (stream !== undefined) return this.#breakStream(stream, ErrorCode.STREAM_CLOSED);
    this.#refuseIdle(id, 'DATA');
    if (this.#recent.kindOf(id) !== 'closed') return;
    this.onIdleFrame();
    this.#sendReset(id, ErrorCode.STREAM_CLOSED);
  }

  #refuseIdle(id: number, what: string): void {
    const isOurs = (id % 2 === 1) !== this.#isServer;
    if (isOurs ? id >= this.#nextId : id > this.#lastPeerId || !this.#isServer) {
      throw new Http2ProtocolError(ErrorCode.PROTOCOL_ERROR, `${what} for stream ${id}, which nobody opened`);
    }
  }

  // The peer broke a rule on one stream. It may not do so often: each time costs it two frames and us a stream.
  #breakStream(stream: Http2Stream, code: number): void {
    const { handler } = stream;
    this.reset(stream, code);
    handler?.onReset(code, false);
    this.#countBroken();
  }

  #countBroken(): void {
    if (!this.#limits.brokenStreams.take(this.#now())) throw calm('too many broken streams');
  }

  #endRemote(stream: Http2Stream): void {
    if (stream.isGone || stream.isRemoteEnded) return;
    stream.isRemoteEnded = true;
    const { handler } = stream;
    if (stream.isLocalEnded) this.#finish(stream);
    handler?.onEnd();
  }

  #endLocal(stream: Http2Stream): void {
    stream.isLocalEnded = true;
    if (stream.isRemoteEnded) this.#finish(stream);
  }

  #finish(stream: Http2Stream): void {
    this.#recent.addClosed(stream.id);
    this.#forget(stream);
  }

  #forget(stream: Http2Stream): void {
    stream.isGone = true;
    stream.handler = undefined;
    this.#streams.delete(stream.id);
    this.#handler.onStreamGone();
  }

  #credit(bytes: number): void {
    this.#owedBytes += bytes;
    if (this.#owedBytes < this.#limits.connectionWindowBytes / 8) return;
    this.#receiveWindow += this.#owedBytes;
    this.#sendUpdate(0, this.#owedBytes);
    this.#owedBytes = 0;
  }

  #sendUpdate(id: number, increment: number): void {
    this.output.word(increment, FrameType.WINDOW_UPDATE, id);
  }

  #sendReset(id: number, code: number): void {
    this.output.word(code, FrameType.RST_STREAM, id);
    this.#limitQueue();
  }

  #sendFields(stream: Http2Stream, fields: FieldList, isEnd: boolean): void {
    this.output.headers(this.#encoder.encode(fields), stream.id, isEnd, this.#peer.maxFrameBytes);
  }

  #limitQueue(): void {
    if (this.#failure === undefined && this.output.bytes > MAX_QUEUED_BYTES) throw calm('answers are not read');
  }
}
