/**
 * Messages of a gRPC call by their frames: one byte of flags, four of length, then the message (spec/waypoint.md 7.1). In: pieces of a
 * body, cut anywhere. Out: how many messages began. Fed by request-in-work.ts and relay-response.ts; data thread.
 */

/** Bytes in front of each message. */
const headBytes = 5;

/** Messages of one direction. */
export class GrpcMessages {
  #head = 0;
  #length = 0;
  #left = 0;
  #count = 0;

  /** Messages whose head is complete. */
  get count(): number {
    return this.#count;
  }

  /** Takes the next piece. */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, piece.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      const byte = piece[at] as number;
      this.#length = this.#head === 0 ? 0 : this.#length * 256 + byte;
      this.#head += 1;
      at += 1;
      if (this.#head < headBytes) continue;
      this.#head = 0;
      this.#left = this.#length;
      this.#count += 1;
    }
  }
}

/** Both directions of a call. */
export interface GrpcCall {
  readonly request: GrpcMessages;
  readonly response: GrpcMessages;
}
