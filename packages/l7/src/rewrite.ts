/**
 * URL rewrites of a route or target (spec/waypoint.md 3.5, 3.7). In: Rewrite and the matched pattern. Out: host and path.
 * Compiled once; applied on the data thread to the normalized path without query.
 */
import type { HttpMatch, Rewrite } from '@ambit/proto/waypoint';
import { trimSegmentPrefix } from './match/path.ts';
import { compileSubstitution } from './match/regex.ts';

/** New path (without query) for a request path; `matched` is the prefix pattern that selected the route, if any. */
export type PathRewrite = (path: string, matched: string | undefined) => string;

/** A compiled rewrite; undefined parts keep what the request has. */
export interface CompiledRewrite {
  readonly host: string | undefined;
  readonly path: PathRewrite | undefined;
}

/** Compiles a rewrite; throws ERR_L7_REGEX. */
export const compileRewrite = (rewrite: Rewrite | undefined): CompiledRewrite | undefined => {
  if (rewrite === undefined) return undefined;
  return { host: rewrite.host === '' ? undefined : rewrite.host, path: compilePath(rewrite) };
};

const compilePath = (rewrite: Rewrite): PathRewrite | undefined => {
  const form = rewrite.path;
  switch (form.case) {
    case 'full':
      return () => form.value;
    case 'prefix':
      return rewrite.segmentPrefix
        ? (path, matched) => replaceSegmentPrefix(path, matched ?? '', form.value)
        : (path, matched) => replaceTextPrefix(path, matched, form.value);
    case 'regex': {
      const substitute = compileSubstitution(form.value.pattern, form.value.substitution);
      return (path) => substitute(path);
    }
    case undefined:
      return undefined;
    default:
      return form satisfies never;
  }
};

/** Replacement by segment: slashes at the border are never doubled and never lost. */
export const replaceSegmentPrefix = (path: string, matched: string, replacement: string): string => {
  const rest = path.slice(trimSegmentPrefix(matched).length);
  const result = trimSegmentPrefix(replacement) + rest;
  return result.startsWith('/') ? result : `/${result}`;
};

/** Plain text replacement; without a prefix pattern the whole path is replaced (VirtualService `rewrite.uri`). */
export const replaceTextPrefix = (path: string, matched: string | undefined, replacement: string): string =>
  matched === undefined ? replacement : replacement + path.slice(matched.length);

/** Pattern of the first prefix match that a request path satisfies, the input of prefix rewrites. */
export const matchedPrefixOf = (match: HttpMatch | undefined): string | undefined =>
  match?.path?.m.case === 'prefix' ? match.path.m.value : undefined;
