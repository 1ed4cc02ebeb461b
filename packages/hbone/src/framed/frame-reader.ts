// Bytes, cut anywhere, -> frames (RFC 9113 4 and 6). DATA passes through piece by piece without a copy; other payloads
// are gathered, each kind with its own limit. Pure, strict, bounded. In: `feed`. Out: calls of the sink, or an
// Http2ProtocolError that ends the connection. Used by connection.ts.
import {
  calm,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  Http2ProtocolError,
  PREFACE,
  read31,
} from './protocol.ts';
import type { ConnectionLimits } from './stream.ts';

/** Payload of control frames that we are willing to hold; header blocks have the limit of their list. */
const MAX_CONTROL_BYTES = 16_384;
/** CONTINUATION frames of one header block. */
const MAX_CONTINUATIONS = 32;

/** Room in a header block for what compression adds to a list of the allowed size. */
const BLOCK_SLACK_BYTES = 1024;

type BlockLimits = Pick<ConnectionLimits, 'maxFrameBytes' | 'maxHeaderListBytes' | 'maxHeaderBlockBytes'>;

/** What the reader finds. Offsets are into the bytes being fed, except where a block is given. */
export interface FrameSink {
  onDataStart(id: number, length: number, isEnd: boolean): void;
  onDataPiece(id: number, offset: number, length: number, headroom: number): void;
  onPadding(id: number, bytes: number): void;
  onDataEnd(id: number, isEnd: boolean): void;
  onHeaderBlock(id: number, block: Buffer, start: number, end: number, isEnd: boolean, dependsOnItself: boolean): void;
  onPriority(id: number, dependsOnItself: boolean, isWrongSize: boolean): void;
  onResetFrame(id: number, code: number): void;
  onSettings(block: Buffer, start: number, end: number): void;
  onPing(isAck: boolean, bytes: Buffer, at: number): void;
  onGoawayFrame(lastStreamId: number, code: number): void;
  onWindowUpdate(id: number, increment: number): void;
  /** A frame that means nothing to us. */
  onIdleFrame(): void;
}

/** The reader of one connection. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  readonly #maxBlockBytes: number;
  readonly #head = Buffer.alloc(FRAME_HEADER_BYTES);
  #isPaused = false;
  #headBytes = 0;
  #prefaceBytes: number;
  #isFirstFrame = true;
  #isInFrame = false;
  /** The header lies directly in front of its payload, in the same memory. */
  #isHeadInPlace = false;
  #type = 0;
  #flags = 0;
  #id = 0;
  /** Payload bytes still to come. */
  #left = 0;
  /** Padding bytes at the end of the DATA frame; -1 = its length is still to come. */
  #padding = 0;
  /** Payload of a control frame that came in pieces. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;
  /** A header block whose CONTINUATION is awaited. */
  #block: { id: number; isEnd: boolean; dependsOnItself: boolean; parts: Buffer[]; bytes: number } | undefined;

  constructor(isServer: boolean, limits: BlockLimits, sink: FrameSink) {
    this.#sink = sink;
    this.#maxFrameBytes = limits.maxFrameBytes;
    this.#maxBlockBytes = limits.maxHeaderBlockBytes ?? limits.maxHeaderListBytes + BLOCK_SLACK_BYTES;
    this.#prefaceBytes = isServer ? 0 : PREFACE.length;
  }

  /** The stream of a header block that is not whole. */
  get unfinishedHead(): number | undefined {
    return this.#block?.id ?? (this.#isInFrame && this.#type === FrameType.HEADERS ? this.#id : undefined);
  }

  /** Called by the sink: `feed` returns after the frame that it is in. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Takes bytes until their end or a pause; returns where it stopped. Throws Http2ProtocolError. */
  feed(bytes: Buffer, start: number, end: number): number {
    let at = start;
    this.#isPaused = false;
    if (this.#prefaceBytes < PREFACE.length) at = this.#preface(bytes, at, end);
    while (!this.#isPaused && (at < end || (this.#isInFrame && this.#left === 0))) {
      if (!this.#isInFrame) {
        at = this.#header(bytes, at, end);
        if (!this.#isInFrame) break;
      }
      at = this.#type === FrameType.DATA ? this.#data(bytes, at, end) : this.#control(bytes, at, end);
    }
    // What follows lies in other memory.
    this.#isHeadInPlace = false;
    return at;
  }

  #preface(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceBytes < PREFACE.length) {
      if (bytes[at] !== PREFACE[this.#prefaceBytes]) throw broken('no HTTP/2 preface');
      at += 1;
      this.#prefaceBytes += 1;
    }
    return at;
  }

  #header(bytes: Buffer, start: number, end: number): number {
    if (this.#headBytes === 0 && end - start >= FRAME_HEADER_BYTES) {
      this.#begin(bytes, start);
      this.#isHeadInPlace = true;
      return start + FRAME_HEADER_BYTES;
    }
    const take = Math.min(FRAME_HEADER_BYTES - this.#headBytes, end - start);
    bytes.copy(this.#head, this.#headBytes, start, start + take);
    this.#headBytes += take;
    if (this.#headBytes === FRAME_HEADER_BYTES) {
      this.#headBytes = 0;
      this.#begin(this.#head, 0);
      this.#isHeadInPlace = false;
    }
    return start + take;
  }

  #begin(head: Buffer, at: number): void {
    const length = ((head[at] as number) << 16) | ((head[at + 1] as number) << 8) | (head[at + 2] as number);
    this.#type = head[at + 3] as number;
    this.#flags = head[at + 4] as number;
    this.#id = read31(head, at + 5);
    this.#left = length;
    this.#isInFrame = true;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    if (length > this.#maxFrameBytes) throw wrongSize(`frame of ${length} bytes`);
    if (this.#isFirstFrame && (this.#type !== FrameType.SETTINGS || this.#flags & Flag.ACK)) {
      throw broken('the first frame is not SETTINGS');
    }
    this.#isFirstFrame = false;
    if (this.#block !== undefined && (this.#type !== FrameType.CONTINUATION || this.#id !== this.#block.id)) {
      throw broken('a header block is not finished');
    }
    this.#check(length);
  }

  // What can be said before the payload arrived.
  #check(length: number): void {
    switch (this.#type) {
      case FrameType.DATA:
        this.#needStream('DATA');
        this.#padding = this.#flags & Flag.PADDED ? -1 : 0;
        if (this.#padding === -1 && length === 0) throw wrongSize('padded DATA without padding length');
        return this.#sink.onDataStart(this.#id, length, (this.#flags & Flag.END_STREAM) !== 0);
      case FrameType.HEADERS:
        this.#needStream('HEADERS');
        return this.#limitBlock(length);
      case FrameType.CONTINUATION:
        if (this.#block === undefined) throw broken('CONTINUATION without HEADERS');
        if (this.#block.parts.length > MAX_CONTINUATIONS) throw calm('too many CONTINUATION frames');
        if (length === 0 && !(this.#flags & Flag.END_HEADERS)) this.#sink.onIdleFrame();
        return this.#limitBlock(this.#block.bytes + length);
      case FrameType.PUSH_PROMISE:
        throw broken('PUSH_PROMISE, which we never allowed');
      case FrameType.PRIORITY:
      case FrameType.RST_STREAM:
        return this.#needStream(this.#type === FrameType.PRIORITY ? 'PRIORITY' : 'RST_STREAM', length);
      case FrameType.SETTINGS:
      case FrameType.PING:
      case FrameType.GOAWAY:
      case FrameType.WINDOW_UPDATE:
        return this.#checkConnectionFrame(length);
      default:
        return this.#sink.onIdleFrame();
    }
  }

  #checkConnectionFrame(length: number): void {
    if (length > MAX_CONTROL_BYTES) throw calm(`control frame of ${length} bytes`);
    if (this.#type !== FrameType.WINDOW_UPDATE && this.#id !== 0) throw broken('connection frame on a stream');
    const isRight =
      (this.#type === FrameType.PING && length === 8) ||
      (this.#type === FrameType.WINDOW_UPDATE && length === 4) ||
      (this.#type === FrameType.GOAWAY && length >= 8) ||
      (this.#type === FrameType.SETTINGS && (this.#flags & Flag.ACK ? length === 0 : length % 6 === 0));
    if (!isRight) throw wrongSize(`frame of type ${this.#type} with ${length} bytes`);
  }

  #needStream(what: string, length?: number): void {
    if (this.#id === 0) throw broken(`${what} on stream 0`);
    if (this.#type === FrameType.RST_STREAM && length !== 4) throw wrongSize(`RST_STREAM of ${length} bytes`);
    if (this.#type === FrameType.PRIORITY && (length ?? 0) > MAX_CONTROL_BYTES) throw wrongSize('PRIORITY too long');
  }

  #limitBlock(bytes: number): void {
    if (bytes > this.#maxBlockBytes) throw calm(`header block of more than ${this.#maxBlockBytes} bytes`);
  }

  #data(bytes: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#padding === -1) {
      if (at === end) return at;
      this.#padding = bytes[at] as number;
      this.#left -= 1;
      at += 1;
      if (this.#padding > this.#left) throw broken('padding longer than its frame');
      this.#sink.onPadding(this.#id, 1);
    }
    const isEnd = (this.#flags & Flag.END_STREAM) !== 0;
    const piece = Math.min(this.#left - this.#padding, end - at);
    if (piece > 0) {
      this.#left -= piece;
      // In front of the first piece stands the frame's own header, in front of a later one somebody's payload.
      const headroom = this.#isHeadInPlace && at === start ? FRAME_HEADER_BYTES : 0;
      this.#isHeadInPlace = false;
      this.#sink.onDataPiece(this.#id, at, piece, headroom);
      at += piece;
    }
    if (this.#left > this.#padding) return at;
    const padding = Math.min(this.#left, end - at);
    this.#left -= padding;
    if (padding > 0) {
      this.#padding -= padding;
      this.#sink.onPadding(this.#id, padding);
    }
    if (this.#left === 0) {
      this.#isInFrame = false;
      this.#sink.onDataEnd(this.#id, isEnd);
    }
    return at + padding;
  }

  #control(bytes: Buffer, start: number, end: number): number {
    const available = end - start;
    const isWhole = this.#gathered === undefined && available >= this.#left;
    if (isWhole) {
      const length = this.#left;
      this.#finish(bytes, start, start + length);
      return start + length;
    }
    const take = Math.min(this.#left, available);
    if (this.#isKnown()) {
      this.#gathered ??= Buffer.allocUnsafe(this.#left);
      bytes.copy(this.#gathered, this.#gatheredBytes, start, start + take);
      this.#gatheredBytes += take;
    }
    this.#left -= take;
    if (this.#left === 0) this.#finish(this.#gathered ?? bytes, 0, this.#gatheredBytes);
    return start + take;
  }

  #isKnown(): boolean {
    return this.#type <= FrameType.CONTINUATION;
  }

  #finish(bytes: Buffer, start: number, end: number): void {
    this.#isInFrame = false;
    this.#left = 0;
    switch (this.#type) {
      case FrameType.HEADERS:
        return this.#headers(bytes, start, end);
      case FrameType.CONTINUATION:
        return this.#continuation(bytes, start, end);
      case FrameType.PRIORITY:
        return this.#sink.onPriority(
          this.#id,
          end - start === 5 && read31(bytes, start) === this.#id,
          end - start !== 5,
        );
      case FrameType.RST_STREAM:
        return this.#sink.onResetFrame(this.#id, bytes.readUInt32BE(start));
      case FrameType.SETTINGS:
        return this.#flags & Flag.ACK ? undefined : this.#sink.onSettings(bytes, start, end);
      case FrameType.PING:
        return this.#sink.onPing((this.#flags & Flag.ACK) !== 0, bytes, start);
      case FrameType.GOAWAY:
        return this.#sink.onGoawayFrame(read31(bytes, start), bytes.readUInt32BE(start + 4));
      case FrameType.WINDOW_UPDATE:
        return this.#sink.onWindowUpdate(this.#id, read31(bytes, start));
      default:
        return undefined;
    }
  }

  #headers(bytes: Buffer, start: number, end: number): void {
    let at = start;
    let padding = 0;
    let dependsOnItself = false;
    if (this.#flags & Flag.PADDED) {
      if (at >= end) throw wrongSize('padded HEADERS without padding length');
      padding = bytes[at] as number;
      at += 1;
    }
    if (this.#flags & Flag.PRIORITY) {
      if (end - at < 5) throw wrongSize('HEADERS without its priority');
      dependsOnItself = read31(bytes, at) === this.#id;
      at += 5;
    }
    if (padding > end - at) throw broken('padding longer than its frame');
    const isEnd = (this.#flags & Flag.END_STREAM) !== 0;
    const stop = end - padding;
    if (this.#flags & Flag.END_HEADERS) {
      return this.#sink.onHeaderBlock(this.#id, bytes, at, stop, isEnd, dependsOnItself);
    }
    const part = Buffer.from(bytes.subarray(at, stop));
    this.#block = { id: this.#id, isEnd, dependsOnItself, parts: [part], bytes: part.length };
  }

  #continuation(bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) return;
    block.parts.push(Buffer.from(bytes.subarray(start, end)));
    block.bytes += end - start;
    if (!(this.#flags & Flag.END_HEADERS)) return;
    this.#block = undefined;
    this.#sink.onHeaderBlock(block.id, Buffer.concat(block.parts), 0, block.bytes, block.isEnd, block.dependsOnItself);
  }
}

function broken(what: string): Http2ProtocolError {
  return new Http2ProtocolError(ErrorCode.PROTOCOL_ERROR, what);
}

function wrongSize(what: string): Http2ProtocolError {
  return new Http2ProtocolError(ErrorCode.FRAME_SIZE_ERROR, what);
}
