// The functions that templates may call: those of Go templates, Sprig and Helm that our charts use. In: arguments. Out: a value. Pure.
// Called by evaluate.ts. Source: https://helm.sh/docs/chart_template_guide/function_list/
import { parse, stringify } from 'yaml';
import { ChartError } from '../errors.ts';
import { copyOf, type Dictionary, isDictionary, isEmpty, overlay, textOf } from './values.ts';

/** A function of the template language. */
export type TemplateFunction = (...values: readonly unknown[]) => unknown;

const dictionary = (value: unknown): Dictionary => (isDictionary(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const lines = (text: string): readonly string[] => text.split('\n');
const indent = (width: unknown, text: unknown): string =>
  lines(textOf(text))
    .map((line) => ' '.repeat(Number(width)) + line)
    .join('\n');

/** YAML as Go writes it: sorted keys, lists not indented, words that YAML 1.1 takes for booleans in quotes; without a trailing newline. */
const toYaml = (value: unknown): string =>
  stringify(value ?? null, {
    sortMapEntries: true,
    lineWidth: 0,
    indentSeq: false,
    version: '1.1',
    aliasDuplicateObjects: false,
  }).trimEnd();

/** Texts that were parsed: charts hand the same values from template to template as YAML. */
const parsedTexts = new Map<string, unknown>();
const MAX_PARSED_TEXTS = 200;

function parsedYaml(text: string): unknown {
  const known = parsedTexts.get(text);
  if (known !== undefined) return known;
  const value: unknown = parse(text);
  if (parsedTexts.size >= MAX_PARSED_TEXTS) parsedTexts.clear();
  parsedTexts.set(text, value);
  return value;
}

const sortKeys = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isDictionary(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
};

const toJson = (value: unknown): string => JSON.stringify(sortKeys(value ?? null));

/** %s, %d, %v, %q and %% of Go. */
function printf(format: unknown, ...values: readonly unknown[]): string {
  let next = 0;
  let output = '';
  const text = textOf(format);
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== '%') {
      output += text[at];
      continue;
    }
    at += 1;
    const verb = text[at];
    if (verb === '%') output += '%';
    else {
      const value = values[next];
      next += 1;
      output +=
        verb === 'q' ? JSON.stringify(textOf(value)) : verb === 'd' ? String(Math.trunc(Number(value))) : textOf(value);
    }
  }
  return output;
}

const kindOf = (value: unknown): string => {
  if (value === undefined || value === null) return 'invalid';
  if (Array.isArray(value)) return 'slice';
  return typeof value === 'object'
    ? 'map'
    : typeof value === 'boolean'
      ? 'bool'
      : typeof value === 'number'
        ? 'float64'
        : 'string';
};

const refuse = (message: unknown): never => {
  throw new ChartError('ERR_CHARTS_REFUSED', textOf(message));
};

function merge(isOverwriting: boolean, values: readonly unknown[]): Dictionary {
  const [first, ...rest] = values.map(dictionary);
  const base = first ?? {};
  if (isOverwriting) for (const value of rest) overlay(base, value);
  else for (const value of rest) overlay(base, overlay(copyOf(value) as Dictionary, copyOf(base) as Dictionary));
  return base;
}

const index = (value: unknown, ...keys: readonly unknown[]): unknown =>
  keys.reduce<unknown>((inner, key) => {
    if (Array.isArray(inner)) return inner[Number(key)] as unknown;
    return isDictionary(inner) ? inner[textOf(key)] : undefined;
  }, value);

const equal = (left: unknown, ...others: readonly unknown[]): boolean =>
  others.some((other) => left === other || (left === undefined && other === null));

/** By name. `include` is added by the engine, because it runs templates. */
export const functions: Readonly<Record<string, TemplateFunction>> = {
  and: (...values) => values.find(isEmpty) ?? (values.some(isEmpty) ? undefined : values.at(-1)),
  or: (...values) => values.find((value) => !isEmpty(value)) ?? values.at(-1),
  not: (value) => isEmpty(value),
  eq: equal,
  ne: (left, right) => !equal(left, right),
  lt: (left, right) => Number(left) < Number(right),
  le: (left, right) => Number(left) <= Number(right),
  gt: (left, right) => Number(left) > Number(right),
  ge: (left, right) => Number(left) >= Number(right),
  add: (...values) => values.reduce<number>((sum, value) => sum + Number(value), 0),
  default: (fallback, value) => (isEmpty(value) ? fallback : value),
  empty: (value) => isEmpty(value),
  coalesce: (...values) => values.find((value) => !isEmpty(value)),
  ternary: (yes, no, condition) => (condition === true ? yes : no),
  quote: (...values) =>
    values
      .filter((value: unknown) => value !== undefined && value !== null)
      .map((value) => JSON.stringify(textOf(value)))
      .join(' '),
  toString: (value: unknown) => textOf(value),
  int: (value) => Math.trunc(Number(value ?? 0)) || 0,
  int64: (value) => String(Math.trunc(Number(value ?? 0)) || 0),
  len: (value) =>
    typeof value === 'string'
      ? Buffer.byteLength(value)
      : isDictionary(value)
        ? Object.keys(value).length
        : listOf(value).length,
  toYaml,
  fromYaml: (text) => dictionary(copyOf(parsedYaml(textOf(text)))),
  toJson,
  fromJson: (text) => dictionary(JSON.parse(textOf(text))),
  indent,
  nindent: (width, text) => `\n${indent(width, text)}`,
  trim: (text) => textOf(text).trim(),
  trimSuffix: (suffix, text) =>
    textOf(text).endsWith(textOf(suffix)) && textOf(suffix) !== ''
      ? textOf(text).slice(0, -textOf(suffix).length)
      : textOf(text),
  trimPrefix: (prefix, text) =>
    textOf(text).startsWith(textOf(prefix)) ? textOf(text).slice(textOf(prefix).length) : textOf(text),
  trunc: (length, text) => textOf(text).slice(0, Number(length)),
  replace: (from, to, text) => textOf(text).replaceAll(textOf(from), textOf(to)),
  contains: (part, text) => textOf(text).includes(textOf(part)),
  hasPrefix: (prefix, text) => textOf(text).startsWith(textOf(prefix)),
  hasSuffix: (suffix, text) => textOf(text).endsWith(textOf(suffix)),
  lower: (text) => textOf(text).toLowerCase(),
  upper: (text) => textOf(text).toUpperCase(),
  printf,
  print: (...values) => values.map(textOf).join(''),
  list: (...values) => [...values],
  dict: (...values) =>
    Object.fromEntries(values.flatMap((value, at) => (at % 2 === 0 ? [[textOf(value), values[at + 1]]] : []))),
  get: (from, key) => dictionary(from)[textOf(key)] ?? '',
  set: (into, key, value) => {
    dictionary(into)[textOf(key)] = value;
    return into;
  },
  unset: (from, key) => {
    if (isDictionary(from)) Reflect.deleteProperty(from, textOf(key));
    return from;
  },
  hasKey: (from, key) => Object.hasOwn(dictionary(from), textOf(key)),
  keys: (...values) => values.flatMap((value) => Object.keys(dictionary(value))),
  omit: (from, ...keys) => Object.fromEntries(Object.entries(dictionary(from)).filter(([key]) => !keys.includes(key))),
  pick: (from, ...keys) => Object.fromEntries(Object.entries(dictionary(from)).filter(([key]) => keys.includes(key))),
  merge: (...values) => merge(false, values),
  mergeOverwrite: (...values) => merge(true, values),
  mustMergeOverwrite: (...values) => merge(true, values),
  deepCopy: copyOf,
  sortAlpha: (value) => listOf(value).map(textOf).toSorted(),
  join: (separator, value) => listOf(value).map(textOf).join(textOf(separator)),
  splitList: (separator, text) => textOf(text).split(textOf(separator)),
  concat: (...values) => values.flatMap(listOf),
  append: (value, item) => [...listOf(value), item],
  has: (item, value) => listOf(value).includes(item),
  first: (value: unknown) => listOf(value)[0],
  index,
  kindIs: (kind, value) => kindOf(value) === kind,
  kindOf,
  required: (message, value) => (value === undefined || value === null || value === '' ? refuse(message) : value),
  fail: refuse,
  lookup: () => ({}),
};
