// Where a socket receives: quiet connections of a thread all into one memory, from which what came is copied out, busy ones each into a
// full block, which is given away as it is. In: how much came. Out: it as a region, and the memory for what comes next. One per endpoint.
import { fullBlocks, HEADROOM_BYTES, payloadArea, Region, SMALL_BLOCK_BYTES, smallBlocks } from './region.ts';

/** After this many short reads in a row a connection gives its own block back. */
const SHORT_READS_BEFORE_SHRINK = 16;

/**
 * Where every quiet connection of this thread receives: a read and its delivery are one step, so that nobody else comes between. A
 * connection that waits holds no memory for it. Every connection begins here.
 */
export const quietArea: Buffer = Buffer.allocUnsafeSlow(SMALL_BLOCK_BYTES);

/** The choice of one connection. */
export class ReceiveArea {
  /** Of a connection in bulk transfer: the block that is read into next. */
  #block: Buffer | undefined;
  #isQuiet = true;
  #isInQuietArea = true;
  #shortReads = 0;

  /** What just arrived. */
  take(bytes: number): Region {
    const region = this.#regionOf(bytes);
    if (bytes >= SMALL_BLOCK_BYTES) {
      this.#shortReads = 0;
      this.#isQuiet = false;
    } else {
      this.#shortReads += 1;
      if (this.#shortReads >= SHORT_READS_BEFORE_SHRINK) this.#isQuiet = true;
    }
    return region;
  }

  /** The memory for what comes next; undefined: the same again. */
  next(): Buffer | undefined {
    if (!this.#isQuiet) {
      this.#isInQuietArea = false;
      this.#block = fullBlocks.take();
      return payloadArea(this.#block);
    }
    if (this.#isInQuietArea) return undefined;
    this.#isInQuietArea = true;
    return quietArea;
  }

  /** Nothing more is received. */
  giveBack(): void {
    if (this.#block !== undefined) fullBlocks.give(this.#block);
    this.#block = undefined;
  }

  #regionOf(bytes: number): Region {
    if (this.#isInQuietArea) {
      const copy = smallBlocks.take();
      quietArea.copy(copy, HEADROOM_BYTES, 0, bytes);
      return new Region(copy, HEADROOM_BYTES, bytes, giveSmall, HEADROOM_BYTES);
    }
    const block = this.#block as Buffer;
    this.#block = undefined;
    return new Region(block, HEADROOM_BYTES, bytes, giveFull, HEADROOM_BYTES);
  }
}

const giveSmall = (block: Buffer): void => smallBlocks.give(block);
const giveFull = (block: Buffer): void => fullBlocks.give(block);
