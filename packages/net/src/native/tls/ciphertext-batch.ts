// What one write produced: plaintext pieces in, ciphertext regions out, gathered in as few pool blocks as possible. Used
// by secure-libssl.ts for the length of one call.
import { BLOCK_BYTES, fullBlocks, HEADROOM_BYTES, Region, SMALL_BLOCK_BYTES, smallBlocks } from '../../region.ts';
import type { SslHandle } from './ssl-handle.ts';

/** Room that a record may need beyond its plaintext (header, tag, type), and what a key update adds. */
const RECORD_OVERHEAD_BYTES = 256;

/** Ciphertext of one batch. */
export class CiphertextBatch {
  readonly #ssl: SslHandle;
  readonly #regions: Region[] = [];
  #block: Buffer | undefined;
  #isSmall = false;
  #fill = 0;

  constructor(ssl: SslHandle) {
    this.#ssl = ssl;
  }

  /** Encrypts a piece and takes the result out of OpenSSL. */
  encrypt(from: Buffer, offset: number, length: number): void {
    this.#ssl.write(from, offset, length);
    this.#move(length + RECORD_OVERHEAD_BYTES);
  }

  /** Takes out what OpenSSL queued by itself. */
  drain(): void {
    this.#move(SMALL_BLOCK_BYTES);
  }

  /** The regions; the caller owns them. */
  finish(): Region[] {
    this.#cut();
    return this.#regions;
  }

  #move(expected: number): void {
    for (;;) {
      if (this.#block === undefined) {
        this.#isSmall = expected <= SMALL_BLOCK_BYTES && this.#regions.length === 0;
        this.#block = this.#isSmall ? smallBlocks.take() : fullBlocks.take();
        this.#fill = 0;
      }
      const room = (this.#isSmall ? SMALL_BLOCK_BYTES : BLOCK_BYTES) - this.#fill;
      const moved = this.#ssl.output(this.#block, HEADROOM_BYTES + this.#fill, room);
      this.#fill += moved;
      // A short answer means that OpenSSL has no more.
      if (moved < room) return;
      this.#cut();
    }
  }

  #cut(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    const pool = this.#isSmall ? smallBlocks : fullBlocks;
    if (this.#fill === 0) pool.give(block);
    else this.#regions.push(new Region(block, HEADROOM_BYTES, this.#fill, (back) => pool.give(back)));
  }
}
