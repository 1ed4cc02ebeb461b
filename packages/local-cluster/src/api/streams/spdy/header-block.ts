/**
 * Header blocks of SPDY/3.1: count, then length-prefixed names and values, compressed by one zlib stream per direction
 * (public draft, 2.6.10). In: blocks of one direction in order; out: names and values. Synchronous, no handles.
 */

import { constants, inflateRawSync } from 'node:zlib';
import { spdyDictionary } from './dictionary.ts';
import { SpdyError } from './spdy-error.ts';

/** Lower-case names with their values; a name with several values joins them with NUL. */
export type SpdyHeaders = ReadonlyMap<string, string>;

/** Bytes of one header block after decompression. */
export const maxHeaderBytes = 64 * 1024;
const maxPairs = 256;
const windowBytes = 32 * 1024;
const maxStoredBytes = 65_535;

/** Reads the name and value pairs of a block that is not compressed any more; throws `SpdyError`. */
export function parseHeaders(block: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError(`header block ends after ${block.length} bytes, inside a number`);
    const value = block.readUInt32BE(at);
    at += 4;
    return value;
  };
  const text = (): string => {
    const length = number();
    if (length > block.length - at)
      throw new SpdyError(`header of ${length} bytes in a block of ${block.length} bytes`);
    at += length;
    return block.toString('latin1', at - length, at);
  };
  const count = number();
  if (count > maxPairs) throw new SpdyError(`header block with ${count} names, the limit is ${maxPairs}`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    headers.set(name, text());
  }
  return headers;
}

/** The reverse of `parseHeaders`. */
export function formatHeaders(headers: SpdyHeaders): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    return Buffer.concat([number(bytes.length), bytes]);
  };
  return Buffer.concat([number(headers.size), ...[...headers].flatMap(([name, value]) => [text(name), text(value)])]);
}

/**
 * Decompresses the blocks of one direction. Every block ends with a sync flush, so it starts at a byte: each is inflated
 * alone, with the last 32 KiB of output before it as dictionary.
 */
export class HeaderReader {
  #window: Buffer = spdyDictionary;
  #started = false;

  /** The next block in order; throws `SpdyError`. */
  read(block: Buffer): SpdyHeaders {
    return parseHeaders(this.#inflate(this.#started ? block : this.#start(block)));
  }

  #start(block: Buffer): Buffer {
    this.#started = true;
    if (block.length < 2 || block.readUInt16BE(0) % 31 !== 0 || ((block[0] ?? 0) & 15) !== 8) {
      throw new SpdyError('the first header block does not start a zlib stream');
    }
    const hasDictionary = ((block[1] ?? 0) & 32) !== 0;
    if (!hasDictionary) this.#window = Buffer.alloc(0);
    return block.subarray(hasDictionary ? 6 : 2);
  }

  #inflate(block: Buffer): Buffer {
    let plain: Buffer;
    try {
      plain = inflateRawSync(block, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: maxHeaderBytes,
        ...(this.#window.length === 0 ? {} : { dictionary: this.#window }),
      });
    } catch (cause) {
      throw new SpdyError('a header block cannot be decompressed', { cause });
    }
    this.#window = Buffer.concat([this.#window, plain]).subarray(-windowBytes);
    return plain;
  }
}

// An empty stored block, as a sync flush leaves it: readers hand out what they have when they meet it.
const flushBlock = Buffer.from([0, 0, 0, 0xff, 0xff]);

/** Writes the blocks of one direction as stored (not compressed) blocks of one zlib stream, which any reader accepts. */
export class HeaderWriter {
  #started = false;

  /** The next block in order; throws `SpdyError` above 65535 bytes. */
  write(headers: SpdyHeaders): Buffer {
    const plain = formatHeaders(headers);
    if (plain.length > maxStoredBytes) throw new SpdyError(`headers of ${plain.length} bytes cannot be sent`);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(~plain.length & 0xffff, 3);
    const start = this.#started ? Buffer.alloc(0) : Buffer.from([0x78, 0x01]);
    this.#started = true;
    return Buffer.concat([start, stored, plain, flushBlock]);
  }
}
