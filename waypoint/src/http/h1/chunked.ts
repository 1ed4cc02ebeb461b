/**
 * Chunked bodies -> payload and trailers (RFC 9112 7.1), strict. A state machine over pieces of any size; pure.
 * Called by message-parser.ts. In: bytes. Out: views into them.
 */
import { hexValue, isValueCode } from './grammar.ts';
import type { Http1Problem } from './problem.ts';

/** Digits of a chunk size: 13 are more than any body has. */
const maxSizeDigits = 13;
/** Bytes of chunk extensions in one body; they mean nothing to us. */
const maxExtensionBytes = 4096;
/** Bytes of trailers in one body. */
const maxTrailerBytes = 16 * 1024;

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done';

/** Decodes one body. */
export class ChunkedDecoder {
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  readonly #trailerBytes: number[] = [];
  #lineStart = 0;

  /** True after the last empty line. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Lines of the trailers, CRLF between them; empty when there are none. Complete once {@link isDone}. */
  get trailers(): string {
    return Buffer.from(this.#trailerBytes.slice(0, Math.max(0, this.#lineStart - 2))).toString('latin1');
  }

  /**
   * Decodes `bytes` from `start` on until they or the body end; `onData` may be called several times.
   * Returns the index after the last byte used, or what is wrong.
   */
  decode(bytes: Buffer, start: number, onData: (view: Buffer) => void): number | Http1Problem {
    let at = start;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const count = Math.min(this.#size, bytes.length - at);
        onData(bytes.subarray(at, at + count));
        this.#size -= count;
        at += count;
        if (this.#size === 0) this.#state = 'data-cr';
        continue;
      }
      const problem = this.#step(bytes[at] as number);
      if (problem !== undefined) return problem;
      at += 1;
    }
    return at;
  }

  #step(code: number): Http1Problem | undefined {
    switch (this.#state) {
      case 'size':
        return this.#sizeDigit(code);
      case 'extension':
        if (code === 0x0d) this.#state = 'size-lf';
        else if (!isValueCode(code) || ++this.#extensionBytes > maxExtensionBytes) return 'syntax';
        return undefined;
      case 'size-lf':
        if (code !== 0x0a) return 'syntax';
        this.#state = this.#size === 0 ? 'trailers' : 'data';
        return undefined;
      case 'data-cr':
        if (code !== 0x0d) return 'syntax';
        this.#state = 'data-lf';
        return undefined;
      case 'data-lf':
        if (code !== 0x0a) return 'syntax';
        this.#state = 'size';
        this.#digits = 0;
        return undefined;
      default:
        return this.#trailerByte(code);
    }
  }

  #sizeDigit(code: number): Http1Problem | undefined {
    const digit = hexValue(code);
    if (digit >= 0) {
      if (++this.#digits > maxSizeDigits) return 'syntax';
      this.#size = this.#size * 16 + digit;
      return undefined;
    }
    if (this.#digits === 0) return 'syntax';
    if (code === 0x0d) this.#state = 'size-lf';
    else if (code === 0x3b) this.#state = 'extension';
    else return 'syntax';
    return undefined;
  }

  /** An empty line ends the trailers; a line feed needs its carriage return. */
  #trailerByte(code: number): Http1Problem | undefined {
    const bytes = this.#trailerBytes;
    const isAfterReturn = bytes.length > 0 && bytes[bytes.length - 1] === 0x0d;
    if ((code === 0x0a) !== isAfterReturn) return 'syntax';
    bytes.push(code);
    if (bytes.length > maxTrailerBytes) return 'too-large';
    if (code !== 0x0a) return undefined;
    if (bytes.length - this.#lineStart === 2) this.#state = 'done';
    else this.#lineStart = bytes.length;
    return undefined;
  }
}
