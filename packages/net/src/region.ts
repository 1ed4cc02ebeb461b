// Regions and blocks: the memory of the byte path. Engines take blocks here to receive into, lend them as regions, and
// get them back by `release`. One pool per thread (module state of that thread); blocks never travel between threads.

/** Size of a full block's payload area. 256 KiB: one turn's worth of reading (spec byte-path 2). */
export const BLOCK_BYTES = 256 * 1024;
/** Size of the block an idle connection waits with, so that ten thousand of them stay cheap. */
export const SMALL_BLOCK_BYTES = 8 * 1024;
/** Bytes free in front of the payload area, enough for a frame header. */
export const HEADROOM_BYTES = 32;
const TAIL_BYTES = 1;

/**
 * A run of payload bytes inside a block. Whoever holds it may read it; the holder either releases it or passes it on.
 * A consumer that cannot finish keeps the region, it does not copy.
 */
export class Region {
  /** The storage the payload lies in, headroom included. */
  readonly block: Buffer;
  /** First payload byte within `block`. */
  offset: number;
  /** Number of payload bytes. */
  length: number;
  /** Bytes in front of the payload that the holder may overwrite (a frame header goes there); 0 = none. */
  headroom: number;
  #onRelease: ((block: Buffer) => void) | undefined;
  #shared: Shared | undefined;

  constructor(block: Buffer, offset: number, length: number, onRelease?: (block: Buffer) => void, headroom = 0) {
    this.block = block;
    this.offset = offset;
    this.length = length;
    this.headroom = headroom;
    this.#onRelease = onRelease;
  }

  /** A region over memory that nobody has to give back. */
  static of(bytes: Uint8Array | string): Region {
    const block = typeof bytes === 'string' ? Buffer.from(bytes) : asBuffer(bytes);
    return new Region(block, 0, block.length);
  }

  /** The payload as a view; valid until release. */
  get bytes(): Buffer {
    return this.offset === 0 && this.length === this.block.length
      ? this.block
      : this.block.subarray(this.offset, this.offset + this.length);
  }

  /** Makes the payload begin earlier, in the headroom, which the caller then writes. */
  prepend(bytes: number): void {
    if (bytes > this.headroom || bytes > this.offset)
      throw new RangeError(`${bytes} bytes asked for, headroom is ${this.headroom}`);
    this.offset -= bytes;
    this.length += bytes;
    this.headroom -= bytes;
  }

  /**
   * A part of this region as a region of its own. The memory goes back when this one and every part were released.
   * `headroom` is what of the bytes in front nobody else reads.
   */
  slice(offset: number, length: number, headroom: number): Region {
    const part = new Region(this.block, offset, length, undefined, headroom);
    if (this.#onRelease !== undefined) this.#shared = { owners: 1, onRelease: this.#onRelease };
    this.#onRelease = undefined;
    if (this.#shared !== undefined) this.#shared.owners += 1;
    part.#shared = this.#shared;
    return part;
  }

  /** Cuts the first bytes off; this region keeps the rest, without headroom. Each part is released by itself. */
  split(bytes: number): Region {
    const front = this.slice(this.offset, bytes, this.headroom);
    this.offset += bytes;
    this.length -= bytes;
    this.headroom = 0;
    return front;
  }

  /** True while somebody waits for this memory. */
  get isPooled(): boolean {
    return this.#onRelease !== undefined || this.#shared !== undefined;
  }

  /** The bytes as a buffer that nobody else will write to, copied where the memory is pooled; the region is released. */
  takeBuffer(): Buffer {
    const bytes = this.isPooled ? Buffer.from(this.bytes) : this.bytes;
    this.release();
    return bytes;
  }

  /** Gives the memory back. Calling it twice is harmless. */
  release(): void {
    const shared = this.#shared;
    if (shared !== undefined) {
      this.#shared = undefined;
      shared.owners -= 1;
      if (shared.owners === 0) shared.onRelease(this.block);
      return;
    }
    const onRelease = this.#onRelease;
    if (onRelease === undefined) return;
    this.#onRelease = undefined;
    onRelease(this.block);
  }
}

/** Memory with several owners. */
interface Shared {
  owners: number;
  readonly onRelease: (block: Buffer) => void;
}

/** A pool of equal blocks. `keep` bounds what is held for reuse, not what may be lent. */
export interface BlockPool {
  readonly blockBytes: number;
  /** Blocks lent and not yet back. */
  readonly lent: number;
  take(): Buffer;
  give(block: Buffer): void;
}

/** Makes a pool of blocks with headroom in front and one spare byte behind. */
export function createBlockPool(payloadBytes: number, keep: number): BlockPool {
  const idle: Buffer[] = [];
  let lent = 0;
  return {
    blockBytes: payloadBytes,
    get lent() {
      return lent;
    },
    take() {
      lent += 1;
      return idle.pop() ?? Buffer.allocUnsafeSlow(HEADROOM_BYTES + payloadBytes + TAIL_BYTES);
    },
    give(block) {
      lent -= 1;
      if (idle.length < keep) idle.push(block);
    },
  };
}

/** The part of a pooled block that payload may fill. */
export function payloadArea(block: Buffer): Buffer {
  return block.subarray(HEADROOM_BYTES, block.length - TAIL_BYTES);
}

/** This thread's pool of full blocks; at most 16 MiB wait for reuse. */
export const fullBlocks = createBlockPool(BLOCK_BYTES, 64);
/** This thread's pool of small blocks. */
export const smallBlocks = createBlockPool(SMALL_BLOCK_BYTES, 256);

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
