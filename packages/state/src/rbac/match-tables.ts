// Numbers filed under what they wait for, found by what a connection has. In: string matches and address ranges. Out: the
// numbers whose match fits a text or an address, without looking at the others. Called by compile-rule.ts (is this text in a
// long list?) and rule-index.ts (which rules can this connection match?). Pure; tables grow only.

import { groupsOf } from '../ip.ts';
import type { Cidr, StringMatch } from '../policy.ts';

/** The numbers under one key, ascending when they were filed so. Most keys have one: no list is made for it. */
export type Drawer = number | number[];

/** Called with every drawer that fits; a number may be in several. */
export type Visit = (drawer: Drawer) => void;

/** Numbers by string match. `presence` fits every text but the empty one. */
export class TextTable {
  readonly #exact = new Map<string, Drawer>();
  // A prefix of length n is found by the first n characters: one look-up for each length that occurs.
  readonly #prefixes = new Map<number, Map<string, Drawer>>();
  readonly #suffixes = new Map<number, Map<string, Drawer>>();
  readonly #presence: number[] = [];

  add(match: StringMatch, number: number): void {
    switch (match.kind) {
      case 'exact':
        file(this.#exact, match.value, number);
        return;
      case 'prefix':
        file(ofLength(this.#prefixes, match.value.length), match.value, number);
        return;
      case 'suffix':
        file(ofLength(this.#suffixes, match.value.length), match.value, number);
        return;
      case 'presence':
        this.#presence.push(number);
        return;
      default:
        match satisfies never;
    }
  }

  visit(text: string, visit: Visit): void {
    give(this.#exact.get(text), visit);
    for (const [length, table] of this.#prefixes) {
      if (length <= text.length) give(table.get(text.slice(0, length)), visit);
    }
    for (const [length, table] of this.#suffixes) {
      if (length <= text.length) give(table.get(text.slice(text.length - length)), visit);
    }
    if (text !== '' && this.#presence.length > 0) visit(this.#presence);
  }
}

/** Numbers by address range. */
export class RangeTable {
  readonly #byShape = new Map<number, Map<string, Drawer>>();

  add(range: Cidr, number: number): void {
    const groups = groupsOf(range.ip);
    file(ofLength(this.#byShape, shapeOf(groups, range.length)), networkKey(groups, range.length), number);
  }

  get isEmpty(): boolean {
    return this.#byShape.size === 0;
  }

  visit(address: readonly number[], visit: Visit): void {
    for (const [shape, table] of this.#byShape) {
      const length = shape % SHAPE;
      if (shape === shapeOf(address, length)) give(table.get(networkKey(address, length)), visit);
    }
  }
}

/** Numbers by a value that is equal or not. */
export class ValueTable<K> {
  readonly #byValue = new Map<K, Drawer>();

  add(value: K, number: number): void {
    file(this.#byValue, value, number);
  }

  visit(value: K, visit: Visit): void {
    give(this.#byValue.get(value), visit);
  }
}

/** More than the longest prefix length. */
const SHAPE = 256;

/** Family and prefix length as one number. */
function shapeOf(groups: readonly number[], length: number): number {
  return groups.length * SHAPE + length;
}

/** The network part of an address as text. */
function networkKey(groups: readonly number[], length: number): string {
  let key = '';
  for (let index = 0, bitsLeft = length; bitsLeft > 0; index += 1, bitsLeft -= 16) {
    const mask = bitsLeft >= 16 ? 0xffff : (0xffff << (16 - bitsLeft)) & 0xffff;
    key += String.fromCharCode((groups[index] ?? 0) & mask);
  }
  return key;
}

function file<K>(table: Map<K, Drawer>, key: K, number: number): void {
  const held = table.get(key);
  if (held === undefined) table.set(key, number);
  else if (typeof held === 'number') table.set(key, [held, number]);
  else held.push(number);
}

function ofLength(tables: Map<number, Map<string, Drawer>>, length: number): Map<string, Drawer> {
  const held = tables.get(length);
  if (held !== undefined) return held;
  const made = new Map<string, Drawer>();
  tables.set(length, made);
  return made;
}

function give(drawer: Drawer | undefined, visit: Visit): void {
  if (drawer !== undefined) visit(drawer);
}
