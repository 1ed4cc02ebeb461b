/** Functions over lists and sets, regular expressions, optional values and durations, as Kubernetes adds them to CEL. Pure. */

import {
  celEnv,
  celFunc,
  celMethod,
  CelScalar,
  isCelError,
  isCelList,
  isCelMap,
  listType,
  parse,
  plan,
} from '@bufbuild/cel';
import type { CelFunc, CelInput, CelList, CelMap, CelValue } from '@bufbuild/cel';
import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { RE2JS } from 're2js';
import { opaqueType, OPAQUE } from './opaque.ts';

const { STRING, BOOL, INT, DYN } = CelScalar;
const LIST = listType(DYN);

/** What CEL itself thinks of two values; the comparison of the evaluator is not offered alone. */
const plain = celEnv();
const operation = (source: string): ((a: CelInput, b: CelInput) => CelValue) => {
  const planned = plan(plain, parse(source));
  return (a, b) => {
    const result = planned({ a, b });
    if (isCelError(result)) throw result;
    return result;
  };
};
const equal = operation('a == b');
const less = operation('a < b');
const add = operation('a + b');

const has = (list: CelList, wanted: CelValue): boolean => [...list].some((item) => equal(item, wanted) === true);

function extreme(list: CelList, isMin: boolean): CelValue {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`${isMin ? 'min' : 'max'} called on empty list`);
  return rest.reduce((best, item) => (less(isMin ? item : best, isMin ? best : item) === true ? item : best), first);
}

const listFunctions: readonly CelFunc[] = [
  celMethod('isSorted', LIST, [], BOOL, function () {
    const items = [...this];
    return items.every((item, index) => index === 0 || less(item, items[index - 1] as CelValue) !== true);
  }),
  celMethod('sum', LIST, [], DYN, function () {
    const [first, ...rest] = this;
    return first === undefined ? 0n : rest.reduce((total, item) => add(total, item), first);
  }),
  celMethod('min', LIST, [], DYN, function () {
    return extreme(this, true);
  }),
  celMethod('max', LIST, [], DYN, function () {
    return extreme(this, false);
  }),
  celMethod('indexOf', LIST, [DYN], INT, function (wanted) {
    return BigInt([...this].findIndex((item) => equal(item, wanted) === true));
  }),
  celMethod('lastIndexOf', LIST, [DYN], INT, function (wanted) {
    return BigInt([...this].findLastIndex((item) => equal(item, wanted) === true));
  }),
  celFunc('sets.contains', [LIST, LIST], BOOL, (list, part) => [...part].every((item) => has(list, item))),
  celFunc('sets.intersects', [LIST, LIST], BOOL, (list, other) => [...other].some((item) => has(list, item))),
  celFunc(
    'sets.equivalent',
    [LIST, LIST],
    BOOL,
    (list, other) => [...other].every((item) => has(list, item)) && [...list].every((item) => has(other, item)),
  ),
];

function findAll(text: string, pattern: string, limit: number): string[] {
  const matcher = RE2JS.compile(pattern).matcher(text);
  const found: string[] = [];
  while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

const textFunctions: readonly CelFunc[] = [
  celFunc('matches', [STRING, STRING], BOOL, (text, pattern) => findAll(text, pattern, 1).length > 0),
  celMethod('find', STRING, [STRING], STRING, function (pattern) {
    return findAll(this, pattern, 1)[0] ?? '';
  }),
  celMethod('findAll', STRING, [STRING], LIST, function (pattern) {
    return findAll(this, pattern, Infinity);
  }),
  celMethod('findAll', STRING, [STRING, INT], LIST, function (pattern, limit) {
    return findAll(this, pattern, limit < 0n ? Infinity : Number(limit));
  }),
];

const unitNanos: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A Go duration (`1h2m3.5s`), or undefined. */
export function parseDuration(text: string): Duration | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.startsWith('-') || text.startsWith('+') ? text.slice(1) : text;
  if (rest === '' || rest.length > 64) return undefined;
  if (rest === '0') return create(DurationSchema);
  let nanos = 0;
  while (rest !== '') {
    let end = 0;
    while (end < rest.length && '0123456789.'.includes(rest.charAt(end))) end++;
    let unitEnd = end;
    while (unitEnd < rest.length && !'0123456789.'.includes(rest.charAt(unitEnd))) unitEnd++;
    const unit = rest.slice(end, unitEnd);
    const factor = Object.hasOwn(unitNanos, unit) ? unitNanos[unit] : undefined;
    const value = Number(rest.slice(0, end));
    if (end === 0 || factor === undefined || Number.isNaN(value)) return undefined;
    nanos += value * factor;
    rest = rest.slice(unitEnd);
  }
  const total = BigInt(Math.round(nanos)) * BigInt(sign);
  return create(DurationSchema, { seconds: total / 1_000_000_000n, nanos: Number(total % 1_000_000_000n) });
}

const durationFunctions: readonly CelFunc[] = [
  celFunc('duration', [STRING], DYN, (text) => {
    const parsed = parseDuration(text);
    if (parsed === undefined) throw new Error("type conversion error from 'string' to 'google.protobuf.Duration'");
    return parsed;
  }),
];

const optionals = opaqueType<{ readonly value?: CelValue }>('optional');

/** An optional value for CEL; undefined makes the empty one. */
export const optionalOf = (value: CelValue | undefined): CelMap =>
  value === undefined ? optionals.wrap({}, 'none') : optionals.wrap({ value }, 'some');

const isOptional = (value: unknown): boolean => {
  try {
    optionals.unwrap(value);
    return true;
  } catch {
    return false;
  }
};

/** The field or element of a value or of an optional value, as an optional value. */
function select(from: CelValue, key: CelValue): CelMap {
  const target = isOptional(from) ? optionals.unwrap(from).value : from;
  if (target === undefined) return optionalOf(undefined);
  if (isCelMap(target)) return optionalOf(target.get(key as string) ?? undefined);
  if (isCelList(target)) return optionalOf(target.get(Number(key)) ?? undefined);
  throw new Error('no such overload: optional selection');
}

/** Names of the functions that `.?field` and `[?key]` are written as before parsing. */
export const optionalSelect = '__optional_select__';

const optionalFunctions: readonly CelFunc[] = [
  celMethod(optionalSelect, DYN, [DYN], DYN, function (key) {
    return select(this, key);
  }),
  celFunc('optional.of', [DYN], OPAQUE, (value) => optionalOf(value)),
  celFunc('optional.none', [], OPAQUE, () => optionalOf(undefined)),
  celMethod('hasValue', OPAQUE, [], BOOL, function () {
    return optionals.unwrap(this).value !== undefined;
  }),
  celMethod('value', OPAQUE, [], DYN, function () {
    const { value } = optionals.unwrap(this);
    if (value === undefined) throw new Error('optional.none() dereference');
    return value;
  }),
  celMethod('orValue', OPAQUE, [DYN], DYN, function (other) {
    return optionals.unwrap(this).value ?? other;
  }),
  celMethod('or', OPAQUE, [OPAQUE], OPAQUE, function (other) {
    return optionals.unwrap(this).value === undefined ? other : this;
  }),
];

/** All of them. */
export const collectionFunctions: readonly CelFunc[] = [
  ...listFunctions,
  ...textFunctions,
  ...durationFunctions,
  ...optionalFunctions,
];
