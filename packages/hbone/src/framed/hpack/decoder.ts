// HPACK decoding (RFC 7541): one header block in, its fields out; the dynamic table lives as long as the connection.
// Pure, bounded: the table by what we advertised, the fields by `maxListBytes`. Called by connection.ts per HEADERS.
import { Http2ProtocolError, ErrorCode } from '../protocol.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_TABLE } from './static-table.ts';

/** What a field costs in a table or list beyond its text (RFC 7541 4.1). */
export const FIELD_OVERHEAD_BYTES = 32;
/** No length or index in a block may exceed this. */
const MAX_INTEGER = 2 ** 28;
const MAX_CONTINUATION_BYTES = 5;

/** Fields in order: name, value, name, value, ... Text has one character per octet. */
export type FieldList = readonly string[];

/** The result of one block. */
export interface DecodedBlock {
  readonly fields: FieldList;
  /** True when the list was longer than allowed; `fields` then ends early, the table is right all the same. */
  readonly isTooLong: boolean;
}

/** One direction of one connection. */
export class HpackDecoder {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  readonly #sizeLimit: number;
  #maxSize: number;
  #size = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** `sizeLimit` is the SETTINGS_HEADER_TABLE_SIZE that we sent. */
  constructor(sizeLimit: number) {
    this.#sizeLimit = sizeLimit;
    this.#maxSize = sizeLimit;
  }

  /** Bytes that the dynamic table counts. */
  get tableBytes(): number {
    return this.#size;
  }

  /** Decodes a whole block. Throws Http2ProtocolError COMPRESSION_ERROR: the connection cannot go on then. */
  decode(bytes: Buffer, start: number, end: number, maxListBytes: number): DecodedBlock {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    const fields: string[] = [];
    let left = maxListBytes;
    let mayResize = true;
    const add = (name: string, value: string): void => {
      left -= name.length + value.length + FIELD_OVERHEAD_BYTES;
      if (left >= 0) fields.push(name, value);
    };
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      if (first >= 0x80) {
        const index = this.#integer(7);
        add(this.#nameAt(index), this.#valueAt(index));
      } else if (first >= 0x40) {
        const name = this.#literalName(6);
        const value = this.#string();
        this.#insert(name, value);
        add(name, value);
      } else if (first >= 0x20) {
        if (!mayResize) throw broken('table size update inside a header block');
        this.#resize(this.#integer(5));
        continue;
      } else {
        const name = this.#literalName(4);
        add(name, this.#string());
      }
      mayResize = false;
    }
    return { fields, isTooLong: left < 0 };
  }

  #literalName(prefix: number): string {
    const index = this.#integer(prefix);
    return index === 0 ? this.#string() : this.#nameAt(index);
  }

  #integer(prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    let factor = 1;
    for (let count = 0; count < MAX_CONTINUATION_BYTES; count += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (value > MAX_INTEGER) throw broken('integer too large');
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw broken('integer too long');
  }

  #string(): string {
    const isCoded = ((this.#bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw broken('string reaches beyond its block');
    this.#at = start + length;
    if (!isCoded) return this.#bytes.toString('latin1', start, this.#at);
    const text = decodeHuffman(this.#bytes, start, this.#at);
    if (text === undefined) throw broken('invalid Huffman coding');
    return text;
  }

  #byte(): number {
    if (this.#at >= this.#end) throw broken('header block ends early');
    const byte = this.#bytes[this.#at] as number;
    this.#at += 1;
    return byte;
  }

  #nameAt(index: number): string {
    return this.#entryAt(index, 0, this.#names);
  }

  #valueAt(index: number): string {
    return this.#entryAt(index, 1, this.#values);
  }

  // The newest dynamic entry is the last element.
  #entryAt(index: number, column: 0 | 1, dynamic: readonly string[]): string {
    const fixed = STATIC_TABLE[index - 1];
    if (fixed !== undefined) return fixed[column];
    const text = dynamic[dynamic.length - (index - STATIC_TABLE.length)];
    if (index === 0 || text === undefined) throw broken(`no table entry ${index}`);
    return text;
  }

  #insert(name: string, value: string): void {
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#size += size;
  }

  #resize(bytes: number): void {
    if (bytes > this.#sizeLimit) throw broken(`table size ${bytes} is over the limit of ${this.#sizeLimit}`);
    this.#maxSize = bytes;
    this.#evictTo(bytes);
  }

  #evictTo(bytes: number): void {
    let gone = 0;
    while (this.#size > Math.max(0, bytes) && gone < this.#names.length) {
      const entry = (this.#names[gone] as string).length + (this.#values[gone] as string).length;
      this.#size -= entry + FIELD_OVERHEAD_BYTES;
      gone += 1;
    }
    if (gone === 0) return;
    this.#names.splice(0, gone);
    this.#values.splice(0, gone);
  }
}

function broken(what: string): Http2ProtocolError {
  return new Http2ProtocolError(ErrorCode.COMPRESSION_ERROR, `header compression: ${what}`);
}
