// How the tables of this folder are written, and their reading. In: the name of a message. Out: its fields. Called by decode.ts.
import { networkingPackages } from './networking.ts';
import { policiesPackages } from './policies.ts';

/** Messages and enums of one package by their names inside it. */
export interface PackageTable {
  /** `name:type`, separated by blanks. `name=protoName` where that is not the same in snake case; `type*` is a list, `{key}type` a map, `type|group` belongs to a oneof. Types of other packages have their full names. */
  readonly messages: Readonly<Record<string, string>>;
  /** `NAME=number`, separated by blanks. */
  readonly enums: Readonly<Record<string, string>>;
}

/** One field of a message. */
export interface Field {
  /** As in YAML and JSON. */
  readonly name: string;
  /** As in the wire definition; accepted, too. */
  readonly protoName: string;
  /** Scalar, well-known type, or full name of a message or enum. */
  readonly type: string;
  readonly isList: boolean;
  /** Type of the keys, for maps. */
  readonly mapKey: string | undefined;
  readonly oneof: string | undefined;
}

const packages: Readonly<Record<string, PackageTable>> = { ...networkingPackages, ...policiesPackages };
const fieldsByMessage = new Map<string, readonly Field[]>();
const numbersByEnum = new Map<string, ReadonlyMap<string, number>>();

/** Package and rest of a full name; the package is the part before the first capital. */
function split(fullName: string): readonly [table: PackageTable | undefined, packageName: string, name: string] {
  const parts = fullName.split('.');
  const at = parts.findIndex((part) => part.charAt(0) !== part.charAt(0).toLowerCase());
  const packageName = parts.slice(0, at).join('.');
  return [
    Object.hasOwn(packages, packageName) ? packages[packageName] : undefined,
    packageName,
    parts.slice(at).join('.'),
  ];
}

/** Fields of a message; undefined when there is no such message. */
export function fieldsOf(fullName: string): readonly Field[] | undefined {
  const known = fieldsByMessage.get(fullName);
  if (known !== undefined) return known;
  const [table, packageName, name] = split(fullName);
  if (table === undefined || !Object.hasOwn(table.messages, name)) return undefined;
  const text = table.messages[name] ?? '';
  const fields = text === '' ? [] : text.split(' ').map((field) => fieldOf(field, packageName, table));
  fieldsByMessage.set(fullName, fields);
  return fields;
}

/** Numbers of an enum by name; undefined when there is no such enum. */
export function enumOf(fullName: string): ReadonlyMap<string, number> | undefined {
  const known = numbersByEnum.get(fullName);
  if (known !== undefined) return known;
  const [table, , name] = split(fullName);
  if (table === undefined || !Object.hasOwn(table.enums, name)) return undefined;
  const pairs = (table.enums[name] ?? '').split(' ').map((pair) => pair.split('='));
  const numbers = new Map(pairs.map(([value = '', number]) => [value, Number(number)]));
  numbersByEnum.set(fullName, numbers);
  return numbers;
}

function fieldOf(text: string, packageName: string, table: PackageTable): Field {
  const colon = text.indexOf(':');
  const [name = '', protoName] = text.slice(0, colon).split('=');
  const [typed = '', oneof] = text.slice(colon + 1).split('|');
  const close = typed.indexOf('}');
  const mapKey = typed.startsWith('{') ? typed.slice(1, close) : undefined;
  const isList = typed.endsWith('*');
  const type = typed.slice(close + 1, isList ? -1 : undefined);
  const isLocal = Object.hasOwn(table.messages, type) || Object.hasOwn(table.enums, type);
  const full = isLocal ? `${packageName}.${type}` : type;
  return { name, protoName: protoName ?? snakeCase(name), type: full, isList, mapKey, oneof };
}

function snakeCase(name: string): string {
  return Array.from(name, (c) => (c >= 'A' && c <= 'Z' ? `_${c.toLowerCase()}` : c)).join('');
}
