/** Values as Go prints them inside error texts (`map[image:img:2]`), which recorded answers contain. Pure. */

import { isObject } from '../json.ts';

/** `map[a:1 b:[x y]]`, keys in order. */
export function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(' ')}]`;
  if (value === null || value === undefined) return '<nil>';
  if (!isObject(value)) return String(value as string | number | boolean);
  const keys = Object.keys(value).toSorted();
  return `map[${keys.map((key) => `${key}:${goMap(value[key])}`).join(' ')}]`;
}
