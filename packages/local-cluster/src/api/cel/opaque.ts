/**
 * Values of types that CEL itself does not have (optional, quantity, URL, IP, CIDR), carried through the evaluator as maps
 * with a hidden content: equal text means equal values. Pure.
 */

import { celMap, CelScalar, mapType } from '@bufbuild/cel';
import type { CelMap, CelMapType } from '@bufbuild/cel';

/** The type under which functions and methods take and give such values. */
export const OPAQUE: CelMapType = mapType(CelScalar.DYN, CelScalar.DYN);

/** One such type. */
export interface OpaqueType<T> {
  /** A value; `text` decides about equality. */
  wrap(content: T, text: string): CelMap;
  /** The content, or an error for a value of another type. */
  unwrap(value: unknown): T;
}

/** Declares a type by its name. */
export function opaqueType<T>(name: string): OpaqueType<T> {
  const contents = new WeakMap<object, { content: T }>();
  return {
    wrap: (content, text) => {
      const value = celMap(new Map([[name, text]]));
      contents.set(value, { content });
      return value;
    },
    unwrap: (value) => {
      const found = typeof value === 'object' && value !== null ? contents.get(value) : undefined;
      if (found === undefined) throw new Error(`no such overload: expected ${name}`);
      return found.content;
    },
  };
}
