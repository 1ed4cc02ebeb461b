/**
 * An ordered list of header fields with lower-case names, as it came from the wire.
 * In: the flat name/value array of a parser. Out: look-ups and edits that keep order and duplicates.
 * Called by every L7 decision and by the HTTP codecs of the waypoint; data thread.
 */

/** Header fields in wire order. Names are lower case; duplicates stay separate (`set-cookie` is never folded). */
export class HeaderList implements Iterable<readonly [string, string]> {
  readonly #flat: string[];
  /** Names as they were written, where the letter case is to be kept. */
  readonly #spellings: ReadonlyMap<string, string> | undefined;

  private constructor(flat: string[], spellings?: ReadonlyMap<string, string>) {
    this.#flat = flat;
    this.#spellings = spellings;
  }

  /** Takes over `[lower-case name, value, ...]`; with `spellings`, {@link lines} gives names as they were written. */
  static fromLower(flat: string[], spellings?: ReadonlyMap<string, string>): HeaderList {
    return new HeaderList(flat, spellings);
  }

  /** An empty list. */
  static empty(): HeaderList {
    return new HeaderList([]);
  }

  /** From `[name, value, name, value, ...]` in any letter case; the array is copied. */
  static fromRaw(raw: readonly string[]): HeaderList {
    const flat = Array<string>(raw.length);
    for (let index = 0; index < raw.length; index += 2) {
      flat[index] = (raw[index] as string).toLowerCase();
      flat[index + 1] = raw[index + 1] ?? '';
    }
    return new HeaderList(flat);
  }

  /** First value of `name` (lower case), or undefined. */
  get(name: string): string | undefined {
    const flat = this.#flat;
    for (let index = 0; index < flat.length; index += 2) if (flat[index] === name) return flat[index + 1];
    return undefined;
  }

  /** All values of `name` (lower case) in order. */
  getAll(name: string): string[] {
    const flat = this.#flat;
    const values: string[] = [];
    for (let index = 0; index < flat.length; index += 2) {
      if (flat[index] === name) values.push(flat[index + 1] as string);
    }
    return values;
  }

  /** All values of `name` as one: joined by `,`, cookies by `; ` (spec/waypoint.md 3.3). Undefined when absent. */
  joined(name: string): string | undefined {
    const flat = this.#flat;
    let first: string | undefined;
    let index = 0;
    for (; index < flat.length && first === undefined; index += 2) if (flat[index] === name) first = flat[index + 1];
    while (index < flat.length && flat[index] !== name) index += 2;
    if (index >= flat.length) return first;
    const values = this.getAll(name);
    return values.join(name === 'cookie' ? '; ' : ',');
  }

  /** True when at least one field has this name (lower case). */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Replaces all fields of this name by one at the end of the list. */
  set(name: string, value: string): void {
    this.remove(name);
    this.append(name, value);
  }

  /** Gives the first field of this name the value and drops further ones; adds the field when there is none. */
  replace(name: string, value: string): void {
    const flat = this.#flat;
    let first = 0;
    while (first < flat.length && flat[first] !== name) first += 2;
    if (first === flat.length) {
      flat.push(name, value);
      return;
    }
    flat[first + 1] = value;
    for (let index = flat.length - 2; index > first; index -= 2) if (flat[index] === name) flat.splice(index, 2);
  }

  /** Adds one more field. */
  append(name: string, value: string): void {
    this.#flat.push(name.toLowerCase(), value);
  }

  /** Removes every field of this name; returns how many there were. */
  remove(name: string): number {
    return this.has(name) ? this.removeIf((candidate) => candidate === name) : 0;
  }

  /** Removes every field whose lower-case name the predicate accepts; returns how many there were. */
  removeIf(accepts: (name: string) => boolean): number {
    const flat = this.#flat;
    let kept = 0;
    for (let index = 0; index < flat.length; index += 2) {
      if (accepts(flat[index] as string)) continue;
      if (kept !== index) {
        flat[kept] = flat[index] as string;
        flat[kept + 1] = flat[index + 1] as string;
      }
      kept += 2;
    }
    if (kept === flat.length) return 0;
    const removed = (flat.length - kept) / 2;
    flat.length = kept;
    return removed;
  }

  /** Number of fields. */
  get size(): number {
    return this.#flat.length / 2;
  }

  /** Bytes of an HTTP/1.1 rendering (`name: value\r\n` per field), the measure of limits and metrics. */
  get byteLength(): number {
    let bytes = 0;
    for (const text of this.#flat) bytes += text.length + 2;
    return bytes;
  }

  /** An independent copy. */
  clone(): HeaderList {
    return new HeaderList(this.#flat.slice(), this.#spellings);
  }

  /** A copy as `[name, value, name, value, ...]`. */
  toRaw(): string[] {
    return this.#flat.slice();
  }

  /** The name as it was written where the letter case is kept, else as it is. */
  spelling(name: string): string {
    return this.#spellings?.get(name) ?? name;
  }

  /** `name: value\r\n` for every field in order, with names in their spelling; nothing is checked. */
  lines(): string {
    const flat = this.#flat;
    let text = '';
    for (let index = 0; index < flat.length; index += 2)
      text += `${this.spelling(flat[index] as string)}: ${flat[index + 1] as string}\r\n`;
    return text;
  }

  *[Symbol.iterator](): Iterator<readonly [string, string]> {
    const flat = this.#flat;
    for (let index = 0; index < flat.length; index += 2) yield [flat[index] as string, flat[index + 1] as string];
  }
}
