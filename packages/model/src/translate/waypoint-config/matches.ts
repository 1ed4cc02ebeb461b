// Matches of HTTPRoute and GRPCRoute -> HttpMatch, and their precedence (spec waypoint 3.3). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HttpMatchSchema } from '@ambit/proto/waypoint';
import type { GrpcRouteRule, HttpRouteMatch } from '@ambit/resources';

type Init<T> = Exclude<T, { $typeName: string }>;
/** A match as plain data. */
export type HttpMatchInit = Init<MessageInitShape<typeof HttpMatchSchema>>;
type KeyMatch = { type?: string; name: string; value: string };
type GrpcMatch = NonNullable<GrpcRouteRule['matches']>[number];

/** A match with the numbers that decide its place; a smaller rank is asked first. */
export interface RankedMatch {
  readonly match: HttpMatchInit;
  readonly rank: readonly [pathKind: number, pathLength: number, method: number, headers: number, query: number];
}

const PATH_KINDS: Readonly<Record<string, number>> = { Exact: 0, PathPrefix: 1, RegularExpression: 2 };

/** One match of an HTTPRoute. */
export function httpMatch(given: HttpRouteMatch): RankedMatch {
  const type = given.path?.type ?? 'PathPrefix';
  const value = given.path?.value ?? '/';
  const headers = given.headers ?? [];
  const query = given.queryParams ?? [];
  return {
    match: {
      ...pathOf(type, value),
      ...(given.method !== undefined && { method: { m: { case: 'exact', value: given.method } } }),
      headers: headers.map(keyMatch),
      query: query.map(keyMatch),
    },
    rank: [PATH_KINDS[type] ?? 3, -value.length, given.method === undefined ? 1 : 0, -headers.length, -query.length],
  };
}

/** One match of a GRPCRoute: service and method are the two parts of the path. */
export function grpcMatch(given: GrpcMatch): RankedMatch {
  const headers = given.headers ?? [];
  const [type, value] = grpcPath(given.method ?? {});
  return {
    match: {
      ...(type === 'Prefix' ? { path: { m: { case: 'prefix', value } } } : pathOf(type, value)),
      headers: headers.map(keyMatch),
    },
    rank: [PATH_KINDS[type] ?? 1, -value.length, 1, -headers.length, 0],
  };
}

/** Compares two ranks; 0 keeps the order of the routes. */
export function compareRanks(a: RankedMatch['rank'], b: RankedMatch['rank']): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function pathOf(type: string, value: string): HttpMatchInit {
  if (type === 'Exact') return { path: { m: { case: 'exact', value } } };
  if (type === 'RegularExpression') return { path: { m: { case: 'regex', value } } };
  return { path: { m: { case: 'prefix', value } }, segmentPrefix: true };
}

function grpcPath({ type, service, method }: { type?: string; service?: string; method?: string }): [string, string] {
  const isRegex = type === 'RegularExpression';
  if (service !== undefined && method !== undefined) {
    return [isRegex ? 'RegularExpression' : 'Exact', `/${service}/${method}`];
  }
  if (service !== undefined) return isRegex ? ['RegularExpression', `/${service}/.+`] : ['Prefix', `/${service}/`];
  if (method !== undefined) return ['RegularExpression', `/[^/]+/${method}`];
  return ['Prefix', '/'];
}

function keyMatch({ type, name, value }: KeyMatch) {
  const m = type === 'RegularExpression' ? ({ case: 'regex', value } as const) : ({ case: 'exact', value } as const);
  return { name, value: { m } };
}
