// Fields of the foreign proxy's messages inside EnvoyFilters: in snake or camel case, typed directly or as a typed struct. Pure.
import { goDurationMs } from '../duration.ts';

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The field by its snake case name, in either spelling; undefined when absent. */
export function field(object: Json, name: string): unknown {
  return object[name] ?? object[camel(name)];
}

/** The object in a field, or an empty one. */
export function mapIn(object: Json, name: string): Json {
  const value = field(object, name);
  return isMap(value) ? value : {};
}

/** The objects of a list in a field; anything else in it is left out. */
export function mapsIn(object: Json, name: string): readonly Json[] {
  const value = field(object, name);
  return Array.isArray(value) ? value.filter(isMap) : [];
}

/** The text in a field, or an empty one. */
export function textIn(object: Json, name: string): string {
  const value = field(object, name);
  return typeof value === 'string' ? value : '';
}

/** A whole number from 0 to 2^32 - 1 (written as such, as text, or wrapped in `value`); undefined when it is none. */
export function uintIn(object: Json, name: string): number | undefined {
  const given = field(object, name);
  const value = Number(isMap(given) ? given['value'] : (given ?? Number.NaN));
  return Number.isInteger(value) && value >= 0 && value <= 0xff_ff_ff_ff ? value : undefined;
}

/** Milliseconds of a duration (`60s`, or `{seconds, nanos}`); undefined when it is none. */
export function durationMsIn(object: Json, name: string): number | undefined {
  const value = field(object, name);
  if (typeof value === 'string') return goDurationMs(value);
  if (!isMap(value)) return undefined;
  return (uintIn(value, 'seconds') ?? 0) * 1000 + (uintIn(value, 'nanos') ?? 0) / 1e6;
}

const DENOMINATORS: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 };

/** Parts per million of a runtime fraction; 0 when it is absent, as the foreign proxy has it. */
export function partsPerMillionIn(object: Json, name: string): number {
  const fraction = mapIn(mapIn(object, name), 'default_value');
  const denominator = DENOMINATORS[textIn(fraction, 'denominator') || 'HUNDRED'] ?? 100;
  return Math.min(1_000_000, Math.round(((uintIn(fraction, 'numerator') ?? 0) / denominator) * 1_000_000));
}

/** The message of a type by the end of its name, in `typed_config` or in a typed struct in there; undefined for another type. */
export function typedConfig(config: unknown, type: string): Json | undefined {
  if (!isMap(config)) return undefined;
  const own = textIn(config, '@type');
  if (own.endsWith('.TypedStruct')) {
    return textIn(config, 'type_url').endsWith(type) ? mapIn(config, 'value') : undefined;
  }
  return own.endsWith(type) ? config : undefined;
}

function camel(name: string): string {
  const [first = '', ...rest] = name.split('_');
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
