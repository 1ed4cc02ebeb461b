/** Kubernetes quantities (`1.5Gi`, `100m`, `1e3`) for CEL. In: text; out: exact value in thousand-millionths. Pure. */

import { celFunc, celMethod, CelScalar } from '@bufbuild/cel';
import type { CelFunc } from '@bufbuild/cel';
import { opaqueType, OPAQUE } from './opaque.ts';

const { STRING, BOOL, INT, DOUBLE } = CelScalar;
const nano = 1_000_000_000n;
const maxChars = 64;

const factors: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1000n,
  m: 1_000_000n,
  '': nano,
  k: nano * 1000n,
  M: nano * 1000n ** 2n,
  G: nano * 1000n ** 3n,
  T: nano * 1000n ** 4n,
  P: nano * 1000n ** 5n,
  E: nano * 1000n ** 6n,
  Ki: nano * 1024n,
  Mi: nano * 1024n ** 2n,
  Gi: nano * 1024n ** 3n,
  Ti: nano * 1024n ** 4n,
  Pi: nano * 1024n ** 5n,
  Ei: nano * 1024n ** 6n,
};

const isDigit = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '9';

function factorOf(suffix: string): bigint | undefined {
  const known = Object.hasOwn(factors, suffix) ? factors[suffix] : undefined;
  if (known !== undefined) return known;
  if (!suffix.startsWith('e') && !suffix.startsWith('E')) return undefined;
  const exponent = Number(suffix.slice(1));
  if (suffix.length < 2 || !Number.isInteger(exponent) || exponent < -9 || exponent > 18) return undefined;
  return exponent < 0 ? nano / 10n ** BigInt(-exponent) : nano * 10n ** BigInt(exponent);
}

/** The value times 10^9 (smaller parts round up), or undefined for text that is no quantity. */
export function parseQuantity(text: string): bigint | undefined {
  if (text.length > maxChars) return undefined;
  const sign = text.startsWith('-') ? -1n : 1n;
  let at = text.startsWith('-') || text.startsWith('+') ? 1 : 0;
  let digits = '';
  let decimals = 0;
  let hasPoint = false;
  for (; at < text.length; at++) {
    const char = text[at];
    if (char === '.' && !hasPoint) hasPoint = true;
    else if (isDigit(char)) {
      digits += char;
      if (hasPoint) decimals++;
    } else break;
  }
  const factor = factorOf(text.slice(at));
  if (digits === '' || factor === undefined) return undefined;
  const scale = 10n ** BigInt(decimals);
  const product = BigInt(digits) * factor;
  return sign * (product / scale + (product % scale === 0n ? 0n : 1n));
}

const quantities = opaqueType<bigint>('quantity');
const wrap = (value: bigint): ReturnType<typeof quantities.wrap> => quantities.wrap(value, String(value));
const of = (value: unknown): bigint => quantities.unwrap(value);
const patternText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** quantity(), isQuantity() and the methods of quantities. */
export const quantityFunctions: readonly CelFunc[] = [
  celFunc('quantity', [STRING], OPAQUE, (text) => {
    const value = parseQuantity(text);
    if (value === undefined) throw new Error(patternText);
    return wrap(value);
  }),
  celFunc('isQuantity', [STRING], BOOL, (text) => parseQuantity(text) !== undefined),
  celMethod('isLessThan', OPAQUE, [OPAQUE], BOOL, function (other) {
    return of(this) < of(other);
  }),
  celMethod('isGreaterThan', OPAQUE, [OPAQUE], BOOL, function (other) {
    return of(this) > of(other);
  }),
  celMethod('compareTo', OPAQUE, [OPAQUE], INT, function (other) {
    const difference = of(this) - of(other);
    return difference === 0n ? 0n : difference < 0n ? -1n : 1n;
  }),
  celMethod('add', OPAQUE, [OPAQUE], OPAQUE, function (other) {
    return wrap(of(this) + of(other));
  }),
  celMethod('add', OPAQUE, [INT], OPAQUE, function (other) {
    return wrap(of(this) + other * nano);
  }),
  celMethod('sub', OPAQUE, [OPAQUE], OPAQUE, function (other) {
    return wrap(of(this) - of(other));
  }),
  celMethod('sub', OPAQUE, [INT], OPAQUE, function (other) {
    return wrap(of(this) - other * nano);
  }),
  celMethod('sign', OPAQUE, [], INT, function () {
    return of(this) === 0n ? 0n : of(this) < 0n ? -1n : 1n;
  }),
  celMethod('isInteger', OPAQUE, [], BOOL, function () {
    return of(this) % nano === 0n;
  }),
  celMethod('asInteger', OPAQUE, [], INT, function () {
    if (of(this) % nano !== 0n) throw new Error('cannot convert value to integer');
    return of(this) / nano;
  }),
  celMethod('asApproximateFloat', OPAQUE, [], DOUBLE, function () {
    return Number(of(this)) / Number(nano);
  }),
];
