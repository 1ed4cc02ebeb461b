// Specs as the strict reader of upstream takes them: unknown fields, unknown enum values and wrong types are refused, numbers may be
// texts, both spellings of a field count. In: any JSON value. Out: the spec with its fields spelled as in YAML, empty lists and nulls
// left out (they mean the same as nothing), or the first problem in upstream's words. Called by index.ts and by analysis. Pure.
import { quoted } from '../analyze/go-text.ts';
import { goDuration } from './go-duration.ts';
import { enumOf, type Field, fieldsOf } from './schema/tables.ts';
import type { Json } from './json.ts';

/** A value that cannot be read; its message is upstream's. */
class DecodeProblem extends Error {
  override readonly name = 'DecodeProblem';
}

/** What came of a spec. */
export type Decoded = { readonly spec: Json } | { readonly problem: string };

/** Deepest nesting that is read. */
const MAX_DEPTH = 64;
const RAW_MAP = 'map[string]json.RawMessage';
const WRAPPERS: Readonly<Record<string, string>> = {
  BoolValue: 'bool',
  StringValue: 'string',
  Int32Value: 'int32',
  Int64Value: 'int64',
  UInt32Value: 'uint32',
  UInt64Value: 'uint64',
  DoubleValue: 'double',
  FloatValue: 'float',
};
const RANGES: Readonly<Record<string, readonly [low: number, high: number]>> = {
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [-(2 ** 63), 2 ** 63],
  uint64: [0, 2 ** 64],
};

/** Reads `value` as the message `fullName`. Unknown fields are dropped where `isStrict` is false. */
export function decodeSpec(fullName: string, value: unknown, isStrict: boolean): Decoded {
  try {
    return { spec: messageFrom(fullName, value ?? {}, isStrict, 0) };
  } catch (error) {
    if (error instanceof DecodeProblem) return { problem: error.message };
    throw error;
  }
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

function mismatch(value: unknown, goType: string): DecodeProblem {
  return new DecodeProblem(`json: cannot unmarshal ${typeOf(value)} into Go value of type ${goType}`);
}

function mapFrom(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, RAW_MAP);
  return value as Json;
}

function messageFrom(fullName: string, value: unknown, isStrict: boolean, depth: number): Json {
  if (depth > MAX_DEPTH) throw new DecodeProblem('exceeded max depth');
  if (value === null) return {};
  const given = mapFrom(value);
  const unread = new Set(Object.keys(given));
  const out: Record<string, unknown> = {};
  for (const field of fieldsOf(fullName) ?? []) {
    let raw: unknown;
    for (const name of [field.protoName, field.name]) {
      if (!unread.delete(name)) continue;
      raw = given[name];
    }
    if (raw === undefined || (raw === null && field.type !== 'Value')) continue;
    const read = fieldFrom(field, raw, isStrict, depth);
    if (read === undefined) continue;
    // Of a oneof the field that is declared last wins.
    if (field.oneof !== undefined) {
      for (const other of fieldsOf(fullName) ?? []) if (other.oneof === field.oneof) delete out[other.name];
    }
    out[field.name] = read;
  }
  const [unknown] = unread;
  if (isStrict && unknown !== undefined) throw new DecodeProblem(`unknown field ${quoted(unknown)} in ${fullName}`);
  return out;
}

/** Undefined stands for an empty list. */
function fieldFrom(field: Field, raw: unknown, isStrict: boolean, depth: number): unknown {
  const one = (value: unknown): unknown => valueFrom(field.type, value, isStrict, depth);
  if (field.isList) {
    if (!Array.isArray(raw)) throw mismatch(raw, '[]json.RawMessage');
    return raw.length === 0 ? undefined : raw.map(one);
  }
  if (field.mapKey === undefined) return one(raw);
  const { mapKey } = field;
  return Object.fromEntries(
    Object.entries(mapFrom(raw)).map(([key, value]) => {
      if (mapKey !== 'string') numberFrom(mapKey, key);
      return [key, one(value)];
    }),
  );
}

function valueFrom(type: string, value: unknown, isStrict: boolean, depth: number): unknown {
  const wrapped = Object.hasOwn(WRAPPERS, type) ? WRAPPERS[type] : undefined;
  if (wrapped !== undefined) return valueFrom(wrapped, value, isStrict, depth);
  switch (type) {
    case 'string':
      return textFrom(value);
    case 'bytes':
      return textFrom(value);
    case 'bool':
      if (value !== null && typeof value !== 'boolean') throw mismatch(value, 'bool');
      return value === true;
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
    case 'double':
    case 'float':
      return numberFrom(type, value);
    case 'Duration':
      return durationFrom(value);
    case 'Struct':
      if (value === null) return {};
      if (typeof value === 'object' && !Array.isArray(value)) return value;
      throw new DecodeProblem(`bad StructValue: ${mismatch(value, RAW_MAP).message}`);
    case 'Value':
    case 'Any':
    case 'Timestamp':
      return value;
    default: {
      const numbers = enumOf(type);
      if (numbers !== undefined) return enumFrom(type, numbers, value);
      return messageFrom(type, value, isStrict, depth + 1);
    }
  }
}

function textFrom(value: unknown): string {
  if (value === null) return '';
  if (typeof value !== 'string') throw mismatch(value, 'string');
  return value;
}

const GO_FLOATS: Readonly<Record<string, string>> = { double: 'float64', float: 'float32' };

/** A number, or a text that holds one. */
function numberFrom(type: string, value: unknown): number {
  if (value === null) return 0;
  let number: unknown = value;
  if (typeof value === 'string') {
    if (type in GO_FLOATS && ['NaN', 'Infinity', '-Infinity'].includes(value)) return Number(value);
    number = numberInText(value);
  }
  const goType = GO_FLOATS[type] ?? type;
  if (typeof number !== 'number') throw mismatch(number, goType);
  const range = RANGES[type];
  if (range !== undefined && (!Number.isInteger(number) || number < range[0] || number > range[1])) {
    throw new DecodeProblem(`json: cannot unmarshal number ${number} into Go value of type ${goType}`);
  }
  return number;
}

function numberInText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new DecodeProblem(problemOfNumber(text));
  }
}

const isDigit = (c: string): boolean => c >= '0' && c <= '9';

/** What Go's JSON reader says of a text that is no value. */
function problemOfNumber(text: string): string {
  const first = text.charAt(0);
  const ended = 'unexpected end of JSON input';
  if (text === '' || first === '[' || first === '{' || text === '-') return ended;
  if (!isDigit(first) && first !== '-') return `invalid character '${first}' looking for beginning of value`;
  let at = first === '-' ? 1 : 0;
  if (!isDigit(text.charAt(at))) return `invalid character '${text.charAt(at)}' in numeric literal`;
  if (text.charAt(at) === '0') at++;
  else while (isDigit(text.charAt(at))) at++;
  if (text.charAt(at) === '.') {
    at++;
    if (at === text.length) return ended;
    if (!isDigit(text.charAt(at)))
      return `invalid character '${text.charAt(at)}' after decimal point in numeric literal`;
    while (isDigit(text.charAt(at))) at++;
  }
  return at === text.length ? ended : `invalid character '${text.charAt(at)}' after top-level value`;
}

function durationFrom(value: unknown): string {
  const text = textFrom(value);
  const nanos = goDuration(text);
  if (typeof nanos === 'string') throw new DecodeProblem(`bad Duration: ${nanos}`);
  return text;
}

/** The name of an enum value; a number without name stays a number. */
function enumFrom(type: string, numbers: ReadonlyMap<string, number>, value: unknown): string | number {
  if (typeof value === 'string') {
    if (numbers.has(value)) return value;
    throw new DecodeProblem(`unknown value ${quoted(JSON.stringify(value))} for enum ${type}`);
  }
  if (value !== null && typeof value !== 'number') throw mismatch(value, 'protoreflect.EnumNumber');
  const number = value ?? 0;
  if (!Number.isInteger(number) || Math.abs(number) > 2 ** 31) {
    throw new DecodeProblem(`json: cannot unmarshal number ${number} into Go value of type protoreflect.EnumNumber`);
  }
  return [...numbers].find(([, known]) => known === number)?.[0] ?? number;
}
