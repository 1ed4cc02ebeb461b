/**
 * Path part of a route match: exact, prefix by text or by segment, RE2, template (spec/waypoint.md 3.3, 3.7).
 * In: HttpMatch. Out: a predicate over the normalized path without query.
 */
import type { HttpMatch } from '@ambit/proto/waypoint';
import { compileStringMatch } from './string-match.ts';

/** Compiles the path condition; undefined when the match has none. Throws like compileStringMatch. */
export const compilePathMatch = (match: HttpMatch): ((path: string) => boolean) | undefined => {
  const path = match.path;
  if (path === undefined) return undefined;
  if (path.m.case === 'prefix' && match.segmentPrefix) {
    const test = segmentPrefix(path.m.value, match.ignoreCase || path.ignoreCase);
    return path.invert ? (value) => !test(value) : test;
  }
  return compileStringMatch(path, { ignoreCase: match.ignoreCase });
};

/** Pattern of a segment prefix without its trailing slashes; the root is the empty string. */
export const trimSegmentPrefix = (prefix: string): string => {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === '/') end--;
  return prefix.slice(0, end);
};

const segmentPrefix = (prefix: string, ignoreCase: boolean): ((path: string) => boolean) => {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  const wanted = fold(trimSegmentPrefix(prefix));
  if (wanted === '') return (path) => path.startsWith('/');
  return (path) => {
    const value = fold(path);
    return value.startsWith(wanted) && (value.length === wanted.length || value[wanted.length] === '/');
  };
};
