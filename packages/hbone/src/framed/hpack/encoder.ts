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
  /** Absolute number of an entry by its name and value; entries are numbered from 0 as they are added. */
  readonly #numbers = new Map<string, Map<string, number>>();
  readonly #queue: { readonly name: string; readonly value: string; readonly size: number }[] = [];
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
    const fixed = STATIC_FIELDS.get(name)?.get(value);
    if (fixed !== undefined) return this.#integer(0x80, 7, fixed);
    const number = this.#numbers.get(name)?.get(value);
    if (number !== undefined) return this.#integer(0x80, 7, STATIC_TABLE.length + this.#added - number);
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    const isKept = this.#repeats(name) && size <= this.#maxSize;
    const nameIndex = STATIC_NAMES.get(name);
    this.#integer(isKept ? 0x40 : 0, isKept ? 6 : 4, nameIndex ?? 0);
    if (nameIndex === undefined) this.#string(name, isKept);
    this.#string(value, isKept);
    if (isKept) this.#insert(name, value, size);
  }

  #insert(name: string, value: string, size: number): void {
    this.#evictTo(this.#maxSize - size);
    const byValue = this.#numbers.get(name);
    if (byValue === undefined) this.#numbers.set(name, new Map([[value, this.#added]]));
    else byValue.set(value, this.#added);
    this.#queue.push({ name, value, size });
    this.#added += 1;
    this.#size += size;
  }

  #evictTo(bytes: number): void {
    while (this.#size > bytes) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) return;
      this.#size -= oldest.size;
      const byValue = this.#numbers.get(oldest.name);
      byValue?.delete(oldest.value);
      if (byValue?.size === 0) this.#numbers.delete(oldest.name);
    }
  }

  // Huffman coding pays where the text is sent once for many streams; else it costs both ends more than its quarter of the bytes.
  #string(text: string, isCoded: boolean): void {
    const coded = isCoded ? huffmanLength(text) : text.length;
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
