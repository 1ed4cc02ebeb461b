// Reading objects of unknown shape: what is not of the expected type counts as absent; the schema of the kind says so elsewhere.
// Called by every rule file of this folder. Pure.

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object, or an empty one. */
export const mapOf = (value: unknown): Json => (isMap(value) ? value : {});
/** The object, or undefined. */
export const optionalMap = (value: unknown): Json | undefined => (isMap(value) ? value : undefined);
/** The list, or an empty one. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** The objects of a list; anything else in it is an empty object. */
export const mapsOf = (value: unknown): Json[] => listOf(value).map(mapOf);
/** The texts of a list. */
export const textsOf = (value: unknown): string[] => listOf(value).filter((item) => typeof item === 'string');
/** The text, or an empty one. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
/** The number, or zero. */
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** A part of a VirtualService that is never used; analysis has messages of their own for these. */
export type Unused =
  | { readonly kind: 'rule'; readonly rule: string; readonly reason: string }
  | { readonly kind: 'match'; readonly rule: string; readonly match: string; readonly duplicate: string };

/** Collects what is wrong with one object. */
export interface Findings {
  readonly error: (message: string) => void;
  readonly warn: (message: string, unused?: Unused) => void;
}

/** Passes errors on and swallows warnings: some rules of upstream lose them on the way. */
export const errorsOnly = ({ error }: Findings): Findings => ({ error, warn: () => {} });

/** The name of an enum value as decoded, or the name of the default; a number without name is told as such. */
export const enumText = (value: unknown, byDefault: string): string =>
  typeof value === 'string' || typeof value === 'number' ? `${value}` : byDefault;
