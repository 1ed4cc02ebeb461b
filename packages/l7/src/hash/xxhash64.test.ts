import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hexOf, remainderOf, xxHash64 } from './xxhash64.ts';

const bigOf = (text: string, seed?: Parameters<typeof xxHash64>[1]): bigint =>
  BigInt(`0x${hexOf(xxHash64(text, seed))}`);

test('values of upstream and of the reference implementation', () => {
  assert.equal(bigOf('foo'), 3728699739546630719n);
  assert.equal(bigOf('bar'), 5234164152756840025n);
  assert.equal(bigOf('foo\nbar'), 8917841378505826757n);
  assert.equal(bigOf('lyft'), 4400747396090729504n);
  assert.equal(bigOf(''), 17241709254077376921n);
  assert.equal(bigOf('bar', xxHash64('foo')), 17745830980996999794n, 'two texts, one after the other');
});

const mask = (1n << 64n) - 1n;
const primes = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;

/** The definition, in whole numbers and slow. */
const slow = (bytes: Uint8Array, seed: bigint): bigint => {
  const [p1, p2, p3, p4, p5] = primes;
  const rotate = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & mask;
  const word = (at: number, size: number): bigint => {
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[at + index] as number);
    return value;
  };
  const round = (sum: bigint, input: bigint): bigint => (rotate((sum + input * p2) & mask, 31n) * p1) & mask;
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const lanes = [seed + p1 + p2, seed + p2, seed, seed - p1].map((lane) => BigInt.asUintN(64, lane));
    for (; at + 32 <= bytes.length; at += 32)
      for (let lane = 0; lane < 4; lane++) lanes[lane] = round(lanes[lane] as bigint, word(at + lane * 8, 8));
    hash = 0n;
    for (const [lane, bits] of [1n, 7n, 12n, 18n].entries()) hash = (hash + rotate(lanes[lane] as bigint, bits)) & mask;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * p1 + p4) & mask;
  } else hash = (seed + p5) & mask;
  hash = (hash + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) hash = (rotate(hash ^ round(0n, word(at, 8)), 27n) * p1 + p4) & mask;
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((word(at, 4) * p1) & mask), 23n) * p2 + p3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at++) hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * p5) & mask), 11n) * p1) & mask;
  hash = ((hash ^ (hash >> 33n)) * p2) & mask;
  hash = ((hash ^ (hash >> 29n)) * p3) & mask;
  return hash ^ (hash >> 32n);
};

test('every length and seed is hashed as the definition says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.bigInt({ min: 0n, max: mask }), (bytes, seed) => {
      const text = Buffer.from(bytes).toString('latin1');
      const halves = { hi: Number(seed >> 32n), lo: Number(seed & 0xffff_ffffn) };
      assert.equal(bigOf(text, halves), slow(bytes, seed));
    }),
  );
});

test('remainders are those of whole numbers', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 5_000_011 }), (text, divisor) => {
      assert.equal(BigInt(remainderOf(xxHash64(text), divisor)), bigOf(text) % BigInt(divisor));
    }),
  );
});
