/**
 * How much is in work by name, in memory that all data threads share (spec/waypoint.md 5.3, 5.11). In: a beginning. Out: its place,
 * whose disposal is the end. Used by breakers.ts. A name keeps its slot for ever: names come from the configuration.
 */
import { xxHash64 } from '@ambit/l7';
import { ActiveCounts } from './active-counts.ts';

const slots = 16_384;
/** Slots that are looked at for a name. */
const maxProbes = 64;
/** Eight bytes for the mark of a name, four for its count. */
export const COUNTS_BYTES = slots * 12;

/** Counts by name. When there is no slot left, a name is counted for this thread alone. */
export class SharedCounts {
  readonly #marks: BigInt64Array;
  readonly #counts: Int32Array;
  readonly #slots = new Map<string, number>();
  readonly #own = new ActiveCounts();

  constructor(memory: ArrayBufferLike) {
    this.#marks = new BigInt64Array(memory, 0, slots);
    this.#counts = new Int32Array(memory, slots * 8, slots);
  }

  /** What is in work now, in all threads. */
  of(name: string): number {
    const slot = this.#slotOf(name);
    return slot === undefined ? this.#own.of(name) : Atomics.load(this.#counts, slot);
  }

  /** One more, until disposed; undefined when there are `limit` already. */
  enter(name: string, limit: number): Disposable | undefined {
    const slot = this.#slotOf(name);
    if (slot === undefined) return this.#own.of(name) >= limit ? undefined : this.#own.hold(name);
    if (Atomics.add(this.#counts, slot, 1) < limit) return new Place(this.#counts, slot);
    Atomics.sub(this.#counts, slot, 1);
    return undefined;
  }

  #slotOf(name: string): number | undefined {
    const known = this.#slots.get(name);
    if (known !== undefined) return known === -1 ? undefined : known;
    const slot = findSlot(this.#marks, name) ?? -1;
    this.#slots.set(name, slot);
    return slot === -1 ? undefined : slot;
  }
}

/** The slot that has the mark of the name, or takes it. */
const findSlot = (marks: BigInt64Array, name: string): number | undefined => {
  const hash = xxHash64(name);
  const mark = (BigInt(hash.hi | 0) << 32n) | BigInt(hash.lo) || 1n;
  for (let probe = 0; probe < maxProbes; probe++) {
    const slot = (hash.lo + probe) % slots;
    const before = Atomics.compareExchange(marks, slot, 0n, mark);
    if (before === 0n || before === mark) return slot;
  }
  return undefined;
};

class Place implements Disposable {
  #counts: Int32Array | undefined;
  readonly #slot: number;

  constructor(counts: Int32Array, slot: number) {
    this.#counts = counts;
    this.#slot = slot;
  }

  [Symbol.dispose](): void {
    const counts = this.#counts;
    this.#counts = undefined;
    if (counts !== undefined) Atomics.sub(counts, this.#slot, 1);
  }
}
