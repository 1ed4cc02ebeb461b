/** What a Table of builtin kinds is made of: columns, printers, cells that recur. Called by the printers. Pure. */

import { isObject, textAt, valueAt } from '../json.ts';
import type { Column } from '../resources/resource.ts';
import { ageOf } from './age.ts';

/** A printer: columns and the cells of one object. */
export interface Printer {
  readonly columns: readonly Column[];
  readonly cells: (object: unknown, nowMs: number) => unknown[];
}

/** A column of a builtin table. */
export const column = (name: string, type = 'string', priority = 0): Column => ({
  name,
  type,
  format: name === 'Name' ? 'name' : '',
  description: `${name} of the object.`,
  priority,
});

/** The number at a path, or 0. */
export const count = (object: unknown, ...path: readonly string[]): number => {
  const value = valueAt(object, path);
  return typeof value === 'number' ? value : 0;
};
/** The name of an object. */
export const nameOf = (object: unknown): string => textAt(object, 'metadata', 'name');
/** How old an object is. */
export const age = (object: unknown, nowMs: number): string =>
  ageOf(valueAt(object, ['metadata', 'creationTimestamp']), nowMs);
/** `<none>` in place of the empty text. */
export const noneIfEmpty = (text: string): string => (text === '' ? '<none>' : text);

/** `a=b,c=d`, or `<none>`. */
export const labelsText = (value: unknown): string =>
  isObject(value) && Object.keys(value).length > 0
    ? Object.entries(value)
        .map(([key, item]) => `${key}=${String(item)}`)
        .join(',')
    : '<none>';

/** Builds a printer. */
export const printer = (columns: readonly Column[], cells: Printer['cells']): Printer => ({ columns, cells });

/** The first column of nearly all tables. */
export const nameColumn = column('Name');
/** The last column that is always shown. */
export const ageColumn = column('Age', 'date');
