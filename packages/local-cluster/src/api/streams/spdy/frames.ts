/**
 * Frames of SPDY/3.1 (public draft, 2.2). In: bytes in any pieces; out: frames, data frames in pieces as they come; and
 * the reverse. Called by the session. Pure.
 */

import { SpdyError } from './spdy-error.ts';

/** Control frame types. */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Flag of the last frame that a side sends on a stream. */
export const flagFin = 1;

/** Bytes of one control frame's body. */
export const maxControlBytes = 64 * 1024;
const version = 3;
const maxDataBytes = 0xffffff;

/** A control frame, or (part of) a data frame; `isLast` ends the stream's data. */
export type Frame =
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly body: Buffer }
  | { readonly kind: 'data'; readonly streamId: number; readonly data: Buffer; readonly isLast: boolean };

/** Cuts a byte stream into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #open: { streamId: number; left: number; isLast: boolean } | undefined;

  /** Frames that these bytes complete; throws `SpdyError`, after which the reader is of no use. */
  push(bytes: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#open !== undefined) return this.#piece(this.#open);
    if (this.#rest.length < 8) return undefined;
    const word = this.#rest.readUInt32BE(0);
    const flags = this.#rest[4] ?? 0;
    const length = this.#rest.readUIntBE(5, 3);
    if (word >= 0x80000000) return this.#control(word, flags, length);
    this.#rest = this.#rest.subarray(8);
    this.#open = { streamId: word, left: length, isLast: (flags & flagFin) !== 0 };
    return this.#piece(this.#open);
  }

  #control(word: number, flags: number, length: number): Frame | undefined {
    const found = (word >>> 16) & 0x7fff;
    if (found !== version) throw new SpdyError(`frame of version ${found}, this connection speaks version ${version}`);
    if (length > maxControlBytes)
      throw new SpdyError(`control frame of ${length} bytes, the limit is ${maxControlBytes}`);
    if (this.#rest.length < 8 + length) return undefined;
    const body = this.#rest.subarray(8, 8 + length);
    this.#rest = this.#rest.subarray(8 + length);
    return { kind: 'control', type: word & 0xffff, flags, body };
  }

  #piece(open: { streamId: number; left: number; isLast: boolean }): Frame | undefined {
    if (this.#rest.length === 0 && open.left > 0) return undefined;
    const data = this.#rest.subarray(0, open.left);
    this.#rest = this.#rest.subarray(data.length);
    open.left -= data.length;
    if (open.left > 0) return { kind: 'data', streamId: open.streamId, data, isLast: false };
    this.#open = undefined;
    return { kind: 'data', streamId: open.streamId, data, isLast: open.isLast };
  }
}

/** A control frame as bytes. */
export function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8000 | version, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

/** Data of a stream as one frame (up to 16 MiB - 1). */
export function dataFrame(streamId: number, data: Buffer, isLast: boolean): Buffer {
  if (data.length > maxDataBytes)
    throw new SpdyError(`data frame of ${data.length} bytes, the limit is ${maxDataBytes}`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt8(isLast ? flagFin : 0, 4);
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data]);
}
