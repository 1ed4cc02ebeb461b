/**
 * Ring hash and Maglev: endpoints of a backend -> a table that leads a key to the same endpoint, point for point as Envoy builds
 * it (spec/waypoint.md 3.10, 5.5), so that a change from its waypoints to ours moves no session. Pure.
 */
import { type Hash64, remainderOf, xxHash64 } from './xxhash64.ts';

/** One endpoint. */
export interface HashedHost {
  /** What is hashed: its address as upstream writes it. */
  readonly name: string;
  /** Above 0. */
  readonly weight: number;
}

/** A table. */
export interface HashTable {
  /** Index of the endpoint, in the list that the table was built of; undefined when that was empty. */
  at(hash: Hash64): number | undefined;
}

/** Ring size where a rule says none. */
export const DEFAULT_RING_SIZE = 1024;
/** No ring is larger. */
export const MAX_RING_SIZE = 8 * 1024 * 1024;
/** Maglev size where a rule says none. */
export const DEFAULT_MAGLEV_SIZE = 65_537;
const maxMaglevSize = 5_000_011;

interface Normalized {
  readonly name: string;
  readonly index: number;
  /** Part of the whole, in (0, 1]. */
  readonly share: number;
}

/** By name, so that every replica builds the same table. */
const normalized = (hosts: readonly HashedHost[]): Normalized[] => {
  let sum = 0;
  for (const { weight } of hosts) sum += weight;
  return hosts
    .map(({ name, weight }, index) => ({ name, index, share: weight / sum }))
    .sort((one, two) => (one.name < two.name ? -1 : one.name > two.name ? 1 : 0));
};

/** A ring of at least `minSize` points: the lightest endpoint has a whole number of them, unless the ring would be larger than `maxSize`. */
export const buildRing = (
  hosts: readonly HashedHost[],
  minSize = DEFAULT_RING_SIZE,
  maxSize = MAX_RING_SIZE,
): HashTable => {
  if (hosts.length === 0) return { at: () => undefined };
  const entries = normalized(hosts);
  const smallest = Math.min(...entries.map(({ share }) => share));
  const scale = Math.min(Math.ceil(smallest * Math.min(minSize, maxSize)) / smallest, maxSize);
  const points: { readonly hash: Hash64; readonly index: number }[] = [];
  let target = 0;
  for (const { name, index, share } of entries) {
    target += scale * share;
    for (let number = 0; points.length < target; number++) points.push({ hash: xxHash64(`${name}_${number}`), index });
  }
  points.sort((one, two) => one.hash.hi - two.hash.hi || one.hash.lo - two.hash.lo);
  const high = Uint32Array.from(points, ({ hash }) => hash.hi);
  const low = Uint32Array.from(points, ({ hash }) => hash.lo);
  const owners = Uint32Array.from(points, ({ index }) => index);
  return { at: (hash) => owners[firstFrom(high, low, hash)] };
};

/** Index of the first point that is not before the hash; behind the last one comes the first. */
const firstFrom = (high: Uint32Array, low: Uint32Array, { hi, lo }: Hash64): number => {
  let from = 0;
  let to = high.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const at = high[middle] as number;
    if (at < hi || (at === hi && (low[middle] as number) < lo)) from = middle + 1;
    else to = middle;
  }
  return from === high.length ? 0 : from;
};

/** A Maglev table; a size that is no prime, or too large, is the default size. */
export const buildMaglev = (hosts: readonly HashedHost[], wantedSize = DEFAULT_MAGLEV_SIZE): HashTable => {
  if (hosts.length === 0) return { at: () => undefined };
  const size = wantedSize <= maxMaglevSize && isPrime(wantedSize) ? wantedSize : DEFAULT_MAGLEV_SIZE;
  const entries = normalized(hosts).map(({ name, index, share }) => ({
    index,
    share,
    at: remainderOf(xxHash64(name), size),
    skip: remainderOf(xxHash64(name, { hi: 0, lo: 1 }), size - 1) + 1,
    target: 0,
  }));
  const largest = Math.max(...entries.map(({ share }) => share));
  const slots = new Int32Array(size).fill(-1);
  let filled = 0;
  for (let turn = 1; filled < size; turn++) {
    for (const entry of entries) {
      if (filled === size) break;
      if (turn * entry.share < entry.target) continue;
      entry.target += largest;
      while (slots[entry.at] !== -1) entry.at = (entry.at + entry.skip) % size;
      slots[entry.at] = entry.index;
      entry.at = (entry.at + entry.skip) % size;
      filled += 1;
    }
  }
  return { at: (hash) => slots[remainderOf(hash, size)] };
};

const isPrime = (number: number): boolean => {
  if (number < 2 || !Number.isInteger(number)) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
};
