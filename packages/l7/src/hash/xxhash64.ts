/**
 * xxHash64, the hash that upstream's rings and tables are made of (spec/waypoint.md 5.5). In: a text of one byte per character, as
 * header fields and addresses are. Out: 64 bits in two halves, because BigInt is too slow for a ring of many points.
 */

/** 64 bits. Both halves are unsigned. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

/** The accumulator that is worked on; nothing of it outlives one call. */
let hi = 0;
let lo = 0;

const set = (high: number, low: number): void => {
  hi = high >>> 0;
  lo = low >>> 0;
};

const add = (high: number, low: number): void => {
  const sum = lo + (low >>> 0);
  hi = (hi + high + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
  lo = sum >>> 0;
};

const xor = (high: number, low: number): void => set(hi ^ high, lo ^ low);

/** Products of 16 bits are exact in a double. */
const multiply = (high: number, low: number): void => {
  const a = lo & 0xffff;
  const b = lo >>> 16;
  const c = low & 0xffff;
  const d = low >>> 16;
  const lowest = a * c;
  const middle = a * d + (lowest >>> 16);
  const upper = b * c + (middle & 0xffff);
  const carry = b * d + Math.floor(middle / 0x1_0000) + Math.floor(upper / 0x1_0000);
  hi = (carry + Math.imul(hi, low) + Math.imul(lo, high)) >>> 0;
  lo = ((upper << 16) | (lowest & 0xffff)) >>> 0;
};

const rotateLeft = (bits: number): void => {
  const isFar = bits >= 32;
  const by = bits & 31;
  const high = isFar ? lo : hi;
  const low = isFar ? hi : lo;
  set((high << by) | (low >>> (32 - by)), (low << by) | (high >>> (32 - by)));
};

const shiftXor = (bits: number): void => {
  if (bits >= 32) xor(0, hi >>> (bits - 32));
  else xor(hi >>> bits, (lo >>> bits) | (hi << (32 - bits)));
};

const multiply1 = (): void => multiply(0x9e37_79b1, 0x85eb_ca87);
const multiply2 = (): void => multiply(0xc2b2_ae3d, 0x27d4_eb4f);
const add4 = (): void => add(0x85eb_ca77, 0xc2b2_ae63);

const byteAt = (text: string, index: number): number => text.charCodeAt(index) & 0xff;

const wordAt = (text: string, index: number): number =>
  (byteAt(text, index) |
    (byteAt(text, index + 1) << 8) |
    (byteAt(text, index + 2) << 16) |
    (byteAt(text, index + 3) << 24)) >>>
  0;

/** `round(accumulator, input)`; the result is in the accumulator. */
const round = (high: number, low: number, text: string, index: number): void => {
  const inputLow = wordAt(text, index);
  set(wordAt(text, index + 4), inputLow);
  multiply2();
  add(high, low);
  rotateLeft(31);
  multiply1();
};

const zero: Hash64 = Object.freeze({ hi: 0, lo: 0 });

/** Hashes a text; with the hash of another text as seed, the two together. */
export const xxHash64 = (text: string, seed: Hash64 = zero): Hash64 => {
  const { length } = text;
  let index = 0;
  if (length >= 32) index = stripes(text, seed);
  else {
    set(seed.hi, seed.lo);
    add(0x27d4_eb2f, 0x1656_67c5);
  }
  add(0, length);
  index = rest(text, index);
  for (; index < length; index++) {
    const high = hi;
    const low = lo;
    set(0, byteAt(text, index));
    multiply(0x27d4_eb2f, 0x1656_67c5);
    xor(high, low);
    rotateLeft(11);
    multiply1();
  }
  shiftXor(33);
  multiply2();
  shiftXor(29);
  multiply(0x1656_67b1, 0x9e37_79f9);
  shiftXor(32);
  return { hi, lo };
};

/** Four lanes over pieces of 32 bytes, merged in the accumulator; answers how far it came. */
const stripes = (text: string, seed: Hash64): number => {
  const lanes: Hash64[] = [];
  const begin = (change: () => void): void => {
    set(seed.hi, seed.lo);
    change();
    lanes.push({ hi, lo });
  };
  begin(() => {
    add(0x9e37_79b1, 0x85eb_ca87);
    add(0xc2b2_ae3d, 0x27d4_eb4f);
  });
  begin(() => add(0xc2b2_ae3d, 0x27d4_eb4f));
  begin(() => undefined);
  begin(() => add(~0x9e37_79b1, -0x85eb_ca87)); // minus the first prime
  let index = 0;
  for (; index + 32 <= text.length; index += 32) {
    for (let lane = 0; lane < 4; lane++) {
      const before = lanes[lane] as Hash64;
      round(before.hi, before.lo, text, index + lane * 8);
      lanes[lane] = { hi, lo };
    }
  }
  let sum = zero;
  for (const [lane, bits] of [1, 7, 12, 18].entries()) {
    const { hi: high, lo: low } = lanes[lane] as Hash64;
    set(high, low);
    rotateLeft(bits);
    add(sum.hi, sum.lo);
    sum = { hi, lo };
  }
  for (const lane of lanes) {
    const before: Hash64 = { hi, lo };
    set(lane.hi, lane.lo);
    multiply2();
    rotateLeft(31);
    multiply1();
    xor(before.hi, before.lo);
    multiply1();
    add4();
  }
  return index;
};

/** What is left behind whole stripes, in pieces of eight and of four bytes; answers how far it came. */
const rest = (text: string, from: number): number => {
  let index = from;
  for (; index + 8 <= text.length; index += 8) {
    const high = hi;
    const low = lo;
    round(0, 0, text, index);
    xor(high, low);
    rotateLeft(27);
    multiply1();
    add4();
  }
  if (index + 4 > text.length) return index;
  const high = hi;
  const low = lo;
  set(0, wordAt(text, index));
  multiply1();
  xor(high, low);
  rotateLeft(23);
  multiply2();
  add(0x1656_67b1, 0x9e37_79f9);
  return index + 4;
};

/** Sixteen hexadecimal digits. */
export const hexOf = (hash: Hash64): string =>
  hash.hi.toString(16).padStart(8, '0') + hash.lo.toString(16).padStart(8, '0');

/** Remainder of a division by a number below 2^26. */
export const remainderOf = (hash: Hash64, divisor: number): number =>
  ((hash.hi % divisor) * (0x1_0000_0000 % divisor) + (hash.lo % divisor)) % divisor;
