/**
 * HttpMatch -> one predicate over the request view (spec/waypoint.md 3.3, 3.7). All conditions of a match must hold.
 * Called while a route table is compiled; the predicate on the data thread.
 */
import type { HttpMatch, KeyMatch } from '@ambit/proto/waypoint';
import { claimValues } from '../authorize/claims.ts';
import type { RequestView } from '../request-view.ts';
import { allHold } from './hold.ts';
import { compilePathMatch } from './path.ts';
import { queryParameter } from './query.ts';
import { compileStringMatch } from './string-match.ts';

/** Accepts or refuses a whole request. */
export type RequestTest = (request: RequestView) => boolean;

/**
 * Compiles one match. A match on source labels never holds: labels of the client are not known to a waypoint
 * (spec/waypoint.md 3.2). Throws ERR_L7_REGEX and ERR_L7_TEMPLATE.
 */
export const compileRequestMatch = (match: HttpMatch): RequestTest => {
  if (Object.keys(match.sourceLabels).length > 0) return () => false;
  const tests: RequestTest[] = [];
  const path = compilePathMatch(match);
  if (path !== undefined) tests.push((request) => path(request.path));
  for (const [field, wanted] of [
    ['method', match.method],
    ['scheme', match.scheme],
    ['authority', match.authority],
  ] as const) {
    if (wanted === undefined) continue;
    const test = compileStringMatch(wanted);
    tests.push((request) => test(request[field]));
  }
  for (const header of match.headers) tests.push(compileHeader(header));
  for (const parameter of match.query) tests.push(compileQuery(parameter));
  for (const claim of match.claims) tests.push(compileClaim(claim));
  if (match.port !== 0) tests.push((request) => request.port === match.port);
  if (match.sourceNamespaces.length > 0) {
    const namespaces = new Set(match.sourceNamespaces);
    tests.push((request) => request.peer.namespace !== undefined && namespaces.has(request.peer.namespace));
  }
  if (tests.length === 1) return tests[0] as RequestTest;
  return (request) => allHold(tests, request);
};

/** One key of a map-like attribute: presence, value, and both inverted. */
const compileKey = (key: KeyMatch): ((value: string | undefined) => boolean) => {
  const value = key.value;
  if (key.present || value === undefined)
    return key.invert ? (found) => found === undefined : (found) => found !== undefined;
  const test = compileStringMatch(value);
  const read = key.treatMissingAsEmpty
    ? (found: string | undefined) => found ?? ''
    : (found: string | undefined) => found;
  return key.invert ? (found) => !test(read(found)) : (found) => test(read(found));
};

const compileHeader = (key: KeyMatch): RequestTest => {
  const name = key.name.toLowerCase();
  const test = compileKey(key);
  return (request) => test(request.headers.joined(name));
};

const compileQuery = (key: KeyMatch): RequestTest => {
  const test = compileKey(key);
  return (request) => test(queryParameter(request.query, key.name));
};

const compileClaim = (key: KeyMatch): RequestTest => {
  const path = key.name.split('\u001f');
  const test = compileKey({ ...key, invert: false });
  return (request) => {
    const values = claimValues(request.claims, path);
    const found = values.length === 0 ? test(undefined) : values.some((value) => test(value));
    return found !== key.invert;
  };
};
