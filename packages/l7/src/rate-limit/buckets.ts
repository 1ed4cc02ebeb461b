/**
 * Token buckets by name in memory that several threads may share (spec/waypoint.md 4.5). In: a name, a size and the time. Out: a token
 * or none. Each bucket is one number: the time at which it will be full again. It is moved by compare-and-swap, so that all threads
 * together get what one would; a full bucket is as good as none, and gives its slot to another name. No timers.
 */
import { type Hash64, xxHash64 } from '../hash/xxhash64.ts';

/** How large a bucket is and how fast it fills. */
export interface BucketSize {
  readonly max: number;
  /** Tokens per millisecond. */
  readonly perMs: number;
}

/** What one request took. */
export interface Taken {
  readonly isTaken: boolean;
  /** What is left, a fraction included. */
  readonly tokens: number;
}

/** Buckets. */
export interface TokenBuckets {
  /** Takes a token; `nowMs` is of one clock for all threads that share the memory. */
  take(name: string, size: BucketSize, nowMs: number): Taken;
}

/** A name has this many slots to be in. */
const ways = 8;
const bytesPerSlot = 16;
const nanosPerMs = 1e6;
/** Buckets in the memory of one process. */
const sharedSlots = 65_536;

/**
 * Memory for buckets; the first eight bytes are a random seed, so that nobody outside can aim at a slot. With `isShared` threads can
 * share it.
 */
export const bucketMemory = (options: { readonly isShared: boolean; readonly slots?: number }): ArrayBufferLike => {
  const bytes = 8 + (options.slots ?? sharedSlots) * bytesPerSlot;
  const memory = options.isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  const seed = crypto.getRandomValues(new BigInt64Array(1));
  new BigInt64Array(memory)[0] = seed[0] as bigint;
  return memory;
};

/** Buckets in memory of {@link bucketMemory}; without it in memory of their own, for a few names. */
export const createTokenBuckets = (memory = bucketMemory({ isShared: false, slots: 1024 })): TokenBuckets => {
  const words = new BigInt64Array(memory);
  const first = words[0] as bigint;
  const seed: Hash64 = { hi: Number(BigInt.asUintN(32, first >> 32n)), lo: Number(BigInt.asUintN(32, first)) };
  const sets = Math.floor((words.length - 1) / 2 / ways);
  return {
    take: (name, size, nowMs) => {
      const hash = xxHash64(name, seed);
      const mark = (BigInt(hash.hi | 0) << 32n) | BigInt(hash.lo) || 1n;
      const nowNs = BigInt(Math.round(nowMs * nanosPerMs));
      const slot = slotOf(words, 1 + (hash.lo % sets) * ways * 2, mark, nowNs);
      return takeAt(words, slot + 1, size, nowNs);
    },
  };
};

/** The slot of a mark: its own, else one whose bucket is full, else the one that is full soonest. */
const slotOf = (words: BigInt64Array, from: number, mark: bigint, nowNs: bigint): number => {
  for (;;) {
    let best = from;
    let soonest = Atomics.load(words, from + 1);
    for (let slot = from; slot < from + ways * 2; slot += 2) {
      if (Atomics.load(words, slot) === mark) return slot;
      const fullAt = Atomics.load(words, slot + 1);
      if (fullAt < soonest) {
        best = slot;
        soonest = fullAt;
      }
    }
    const before = Atomics.load(words, best);
    if (before === mark) return best;
    if (Atomics.compareExchange(words, best, before, mark) !== before) continue; // another thread was faster
    if (soonest > nowNs) Atomics.store(words, best + 1, 0n);
    return best;
  }
};

const takeAt = (words: BigInt64Array, at: number, { max, perMs }: BucketSize, nowNs: bigint): Taken => {
  const nsPerToken = nanosPerMs / perMs;
  for (;;) {
    const before = Atomics.load(words, at);
    const missingNs = before > nowNs ? Number(before - nowNs) : 0;
    const tokens = Math.min(max, max - missingNs / nsPerToken);
    if (tokens < 1 - 1e-9) return { isTaken: false, tokens: Math.max(0, tokens) };
    const after = nowNs + BigInt(Math.round(missingNs + nsPerToken));
    if (Atomics.compareExchange(words, at, before, after) === before) return { isTaken: true, tokens: tokens - 1 };
  }
};
