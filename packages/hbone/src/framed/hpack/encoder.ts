// HPACK encoding (RFC 7541): fields in, one header block out. The dynamic table holds what repeats from tunnel to tunnel
// of one workload (baggage), so that a warm tunnel is opened with about a hundred bytes. Called by connection.ts.
import { FIELD_OVERHEAD_BYTES, type FieldList } from './decoder.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { STATIC_FIELDS, STATIC_NAMES, STATIC_TABLE } from './static-table.ts';

/** Our table is never larger, whatever the peer allows. */
const TABLE_LIMIT_BYTES = 4096;
/** Fields whose values repeat between the streams of one connection. */
const REPEATING = new Set(['baggage', ':authority', 'x-forwarded-network', 'x-istio-source', ':status']);

const isRepeatedInTunnels = (name: string): boolean => REPEATING.has(name);

/** One direction of one connection. */
export class HpackEncoder {
  /** Absolute number of an entry by its field; entries are numbered from 0 as they are added. */
  readonly #numbers = new Map<string, number>();
  readonly #queue: { readonly key: string; readonly size: number }[] = [];
  #added = 0;
  #size = 0;
  #maxSize = TABLE_LIMIT_BYTES;
  #smallestAnnounced: number | undefined;
  #block: Buffer = Buffer.allocUnsafe(512);
  #at = 0;
  readonly #repeats: (name: string) => boolean;

  /** `repeats` says whose values belong into the table; without it those of tunnels. */
  constructor(repeats: (name: string) => boolean = isRepeatedInTunnels) {
    this.#repeats = repeats;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. Takes effect with the next block, as the peer expects. */
  setPeerTableSize(bytes: number): void {
    const size = Math.min(bytes, TABLE_LIMIT_BYTES);
    if (size === this.#maxSize) return;
    this.#maxSize = size;
    this.#smallestAnnounced = Math.min(this.#smallestAnnounced ?? size, size);
    this.#evictTo(size);
  }

  /** The block; valid until the next call. */
  encode(fields: FieldList): Buffer {
    this.#at = 0;
    this.#announceSize();
    for (let at = 0; at < fields.length; at += 2) this.#field(fields[at] as string, fields[at + 1] as string);
    return this.#block.subarray(0, this.#at);
  }

  #announceSize(): void {
    const smallest = this.#smallestAnnounced;
    if (smallest === undefined) return;
    this.#smallestAnnounced = undefined;
    if (smallest < this.#maxSize) this.#integer(0x20, 5, smallest);
    this.#integer(0x20, 5, this.#maxSize);
  }

  #field(name: string, value: string): void {
    const key = `${name}\0${value}`;
    const fixed = STATIC_FIELDS.get(key);
    if (fixed !== undefined) return this.#integer(0x80, 7, fixed);
    const number = this.#numbers.get(key);
    if (number !== undefined) return this.#integer(0x80, 7, STATIC_TABLE.length + this.#added - number);
    const isKept = this.#repeats(name) && name.length + value.length + FIELD_OVERHEAD_BYTES <= this.#maxSize;
    const nameIndex = STATIC_NAMES.get(name);
    this.#integer(isKept ? 0x40 : 0, isKept ? 6 : 4, nameIndex ?? 0);
    if (nameIndex === undefined) this.#string(name);
    this.#string(value);
    if (isKept) this.#insert(key);
  }

  #insert(key: string): void {
    const size = key.length - 1 + FIELD_OVERHEAD_BYTES;
    this.#evictTo(this.#maxSize - size);
    this.#numbers.set(key, this.#added);
    this.#queue.push({ key, size });
    this.#added += 1;
    this.#size += size;
  }

  #evictTo(bytes: number): void {
    while (this.#size > bytes) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) return;
      this.#size -= oldest.size;
      this.#numbers.delete(oldest.key);
    }
  }

  #string(text: string): void {
    const coded = huffmanLength(text);
    const isShorter = coded < text.length;
    this.#integer(isShorter ? 0x80 : 0, 7, isShorter ? coded : text.length);
    this.#reserve(text.length);
    if (isShorter) this.#at = encodeHuffman(text, this.#block, this.#at);
    else this.#at += this.#block.write(text, this.#at, 'latin1');
  }

  #integer(pattern: number, prefix: number, value: number): void {
    this.#reserve(8);
    const mask = (1 << prefix) - 1;
    if (value < mask) return this.#byte(pattern | value);
    this.#byte(pattern | mask);
    let rest = value - mask;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 0x80);
    this.#byte(rest);
  }

  #byte(byte: number): void {
    this.#block[this.#at] = byte;
    this.#at += 1;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#block.length * 2, this.#at + bytes));
    this.#block.copy(larger, 0, 0, this.#at);
    this.#block = larger;
  }
}
