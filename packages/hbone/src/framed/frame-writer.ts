// What is to be sent next: control frames and small data frames gathered in one block, large data frames with their
// header written into the headroom of the payload's own block. Pure. Filled by connection.ts, emptied by transport.ts.
import { Region, smallBlocks, HEADROOM_BYTES } from '@ambit/net';
import { FRAME_HEADER_BYTES, Flag, FrameType, writeFrameHeader } from './protocol.ts';

/** Payloads up to this size are copied behind their header: one record for many small messages. */
const COPY_BYTES = 1024;

/** Frames in order, as regions that `Endpoint.write` takes. */
export class FrameWriter {
  #regions: Region[] = [];
  #block: Buffer | undefined;
  #start = 0;
  #at = 0;
  #bytes = 0;

  /** Bytes waiting to be taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes room for a frame, writes its header, and returns the offset of its payload in `block`. The payload must fit a small block. */
  small(payloadBytes: number, type: number, flags: number, streamId: number): number {
    return this.#header(payloadBytes, type, flags, streamId, payloadBytes);
  }

  /** A frame without flags whose payload is one number. */
  word(value: number, type: number, streamId: number): void {
    const at = this.small(4, type, 0, streamId);
    this.block.writeUInt32BE(value, at);
  }

  /** Makes room for bytes that are no frame (the preface). */
  raw(bytes: number): number {
    this.#room(bytes);
    const at = this.#at;
    this.#at += bytes;
    this.#bytes += bytes;
    return at;
  }

  /** The block that `small` or `raw` just wrote into. */
  get block(): Buffer {
    return this.#block as Buffer;
  }

  /** A frame with a payload of any size that is copied now (header blocks, GOAWAY texts). */
  copied(payload: Buffer, type: number, flags: number, streamId: number): void {
    if (payload.length <= COPY_BYTES) {
      const at = this.small(payload.length, type, flags, streamId);
      payload.copy(this.block, at);
      return;
    }
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
    writeFrameHeader(frame, 0, payload.length, type, flags, streamId);
    payload.copy(frame, FRAME_HEADER_BYTES);
    this.#cut();
    this.#push(Region.of(frame));
    this.#bytes += frame.length;
  }

  /** A PING that asks for an answer with the same number. */
  ping(payload: number): void {
    const at = this.small(8, FrameType.PING, 0, 0);
    this.block.fill(0, at, at + 8);
    this.block.writeUInt32BE(payload, at + 4);
  }

  /** The last stream that is served, and why, for the peer's log. */
  goaway(lastStreamId: number, code: number, text: string): void {
    const payload = Buffer.alloc(8 + text.length);
    payload.writeUInt32BE(lastStreamId, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(text, 8, 'latin1');
    this.copied(payload, FrameType.GOAWAY, 0, 0);
  }

  /** A header block, in as many frames as the peer's limit asks for. */
  headers(block: Buffer, streamId: number, isEnd: boolean, maxFrameBytes: number): void {
    const end = isEnd ? Flag.END_STREAM : 0;
    if (block.length <= maxFrameBytes) {
      return this.copied(block, FrameType.HEADERS, end | Flag.END_HEADERS, streamId);
    }
    this.copied(block.subarray(0, maxFrameBytes), FrameType.HEADERS, end, streamId);
    for (let at = maxFrameBytes; at < block.length; at += maxFrameBytes) {
      const flags = at + maxFrameBytes >= block.length ? Flag.END_HEADERS : 0;
      this.copied(block.subarray(at, at + maxFrameBytes), FrameType.CONTINUATION, flags, streamId);
    }
  }

  /** A DATA frame with all of the region, which it owns from now on. */
  data(region: Region, streamId: number, isEnd: boolean): void {
    const { length } = region;
    const flags = isEnd ? Flag.END_STREAM : 0;
    if (length <= COPY_BYTES) {
      const at = this.small(length, FrameType.DATA, flags, streamId);
      region.block.copy(this.block, at, region.offset, region.offset + length);
      region.release();
      return;
    }
    if (region.headroom < FRAME_HEADER_BYTES) {
      this.#header(length, FrameType.DATA, flags, streamId, 0);
      this.#cut();
      this.#push(region);
      this.#bytes += length;
      return;
    }
    this.#cut();
    region.prepend(FRAME_HEADER_BYTES);
    writeFrameHeader(region.block, region.offset, length, FrameType.DATA, flags, streamId);
    this.#push(region);
    this.#bytes += region.length;
  }

  /** Everything gathered so far; the caller owns the regions. */
  take(): Region[] {
    this.#cut();
    const taken = this.#regions;
    this.#regions = [];
    this.#bytes = 0;
    return taken;
  }

  /** Gives everything back unsent. */
  drop(): void {
    for (const region of this.take()) region.release();
  }

  // `reserved` is the part of the payload that will stand in the same block.
  #header(payloadBytes: number, type: number, flags: number, streamId: number, reserved: number): number {
    const size = FRAME_HEADER_BYTES + reserved;
    const block = this.#room(size);
    const at = this.#at;
    writeFrameHeader(block, at, payloadBytes, type, flags, streamId);
    this.#at += size;
    this.#bytes += size;
    return at + FRAME_HEADER_BYTES;
  }

  #room(size: number): Buffer {
    if (this.#block !== undefined && this.#at + size > this.#block.length) this.#cut();
    if (this.#block === undefined) {
      this.#block = smallBlocks.take();
      this.#start = HEADROOM_BYTES;
      this.#at = HEADROOM_BYTES;
    }
    return this.#block;
  }

  // Ends the region being gathered. Its block goes back to the pool once it was sent.
  #cut(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    this.#push(new Region(block, this.#start, this.#at - this.#start, giveBack));
  }

  #push(region: Region): void {
    this.#regions.push(region);
  }
}

function giveBack(block: Buffer): void {
  smallBlocks.give(block);
}
