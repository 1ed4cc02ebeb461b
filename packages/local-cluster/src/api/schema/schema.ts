/**
 * One shape for what a kind may contain, whether it comes from our protobuf definitions (builtin kinds) or from the
 * OpenAPI schema of a definition (custom kinds). Used by field validation, patches, server-side apply and OpenAPI. Pure.
 */

/** How a list is owned and merged. */
export type ListKind = 'atomic' | 'set' | 'map';

/** The schema of one value. `any` accepts everything and is owned as a whole. */
export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'int-or-string' | 'any';
  /** Fields of an object; functions so that recursive kinds stay finite. */
  readonly properties?: () => ReadonlyMap<string, Schema>;
  /** Values of an object that is a map. */
  readonly additional?: () => Schema;
  readonly items?: () => Schema;
  readonly list?: ListKind;
  /** Key fields of a `map` list, in order. */
  readonly listKeys?: readonly string[];
  /** Defaults of key fields that an element may leave out. */
  readonly keyDefaults?: Readonly<Record<string, unknown>>;
  /** Objects only: owned as a whole. */
  readonly atomic?: boolean;
  /** Objects only: unknown fields are kept and not reported. */
  readonly preserveUnknown?: boolean;
  readonly patchKey?: string;
  readonly patchStrategy?: ReadonlySet<string>;
  /** OpenAPI format, for the published documents. */
  readonly format?: string;
  /** The OpenAPI schema as a definition carries it; custom kinds only. */
  readonly openApi?: object;
}

/** Accepts everything. */
export const anySchema: Schema = { type: 'any' };

/** The schema of a field of an object, or of a map's value; undefined when it is not declared. */
export function fieldSchema(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema === undefined) return undefined;
  if (schema.type === 'any') return anySchema;
  return schema.properties?.().get(key) ?? schema.additional?.();
}

/** The schema of the elements of a list. */
export const itemSchema = (schema: Schema | undefined): Schema => schema?.items?.() ?? anySchema;
