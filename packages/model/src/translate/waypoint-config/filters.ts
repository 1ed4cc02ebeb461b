// Filters of a route rule -> header operations, rewrites, redirects, mirrors, CORS (spec waypoint 3.5). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HeaderOpsSchema, HttpRouteSchema, RedirectSchema, RewriteSchema } from '@ambit/proto/waypoint';
import type { RouteFilter } from '@ambit/resources';
import type { View } from '../../index/view.ts';
import { destinationOf } from './destination.ts';
import { durationOf } from './duration.ts';
import { backendKey } from './keys.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type HeaderOps = Init<MessageInitShape<typeof HeaderOpsSchema>>;
type Redirect = Init<MessageInitShape<typeof RedirectSchema>>;
type Rewrite = Init<MessageInitShape<typeof RewriteSchema>>;
type HttpRoute = Init<MessageInitShape<typeof HttpRouteSchema>>;

/** What the filters of a rule or of a backend ask for. */
export interface FilterResult {
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  readonly rewrite?: Rewrite;
  readonly redirect?: Redirect;
  readonly mirrors?: NonNullable<HttpRoute['mirrors']>;
  readonly cors?: NonNullable<HttpRoute['cors']>;
  /** Type of a filter that is not known: the rule must not be applied without it. */
  readonly unknown?: string;
}

/** A filter, and what those before it in the rule gave. */
type TranslateFilter = (view: View, filter: RouteFilter, routeNamespace: string, before: FilterResult) => FilterResult;

const TRANSLATIONS: ReadonlyMap<string, TranslateFilter> = new Map<string, TranslateFilter>([
  ['RequestHeaderModifier', (_view, filter) => ({ requestHeaders: headerOps(filter.requestHeaderModifier ?? {}) })],
  ['ResponseHeaderModifier', (_view, filter) => ({ responseHeaders: headerOps(filter.responseHeaderModifier ?? {}) })],
  ['RequestRedirect', (_view, filter) => ({ redirect: redirectOf(filter.requestRedirect ?? {}) })],
  ['URLRewrite', (_view, filter) => ({ rewrite: rewriteOf(filter.urlRewrite ?? {}) })],
  [
    'RequestMirror',
    (view, filter, routeNamespace, { mirrors = [] }) => ({
      mirrors: [...mirrors, ...mirrorOf(view, filter, routeNamespace)],
    }),
  ],
  ['CORS', (_view, filter) => ({ cors: corsOf(filter.cors ?? {}) })],
]);

/** Types of filters that waypoints apply. */
export const SUPPORTED_FILTERS: ReadonlySet<string> = new Set(TRANSLATIONS.keys());

/** Translates filters in their order. */
export function filtersOf(view: View, filters: readonly RouteFilter[], routeNamespace: string): FilterResult {
  let result: FilterResult = {};
  for (const filter of filters) {
    const translate = TRANSLATIONS.get(filter.type);
    const added = translate?.(view, filter, routeNamespace, result) ?? { unknown: filter.type };
    result = { ...result, ...added };
  }
  return result;
}

type NamedValues = readonly { name: string; value: string }[];

function headerOps(given: { set?: NamedValues; add?: NamedValues; remove?: readonly string[] }): HeaderOps {
  // Of several entries with one name, in any case, the first counts.
  const record = (list: NamedValues = []): Record<string, string> => {
    const out: Record<string, string> = {};
    for (const { name, value } of list) if (!Object.hasOwn(out, name.toLowerCase())) out[name.toLowerCase()] = value;
    return out;
  };
  return { set: record(given.set), add: record(given.add), remove: (given.remove ?? []).map((n) => n.toLowerCase()) };
}

function redirectOf(given: NonNullable<RouteFilter['requestRedirect']>): Redirect {
  const path = pathOf(given.path);
  return {
    scheme: given.scheme ?? '',
    host: given.hostname ?? '',
    port: given.port ?? 0,
    status: given.statusCode ?? 302,
    ...(path && { path }),
  };
}

function rewriteOf(given: NonNullable<RouteFilter['urlRewrite']>): Rewrite {
  const path = pathOf(given.path);
  return { host: given.hostname ?? '', ...(path && { path, segmentPrefix: path.case === 'prefix' }) };
}

function pathOf(path: { type: string; replaceFullPath?: string; replacePrefixMatch?: string } | undefined) {
  if (path?.type === 'ReplaceFullPath') return { case: 'full', value: path.replaceFullPath ?? '/' } as const;
  if (path?.type === 'ReplacePrefixMatch') return { case: 'prefix', value: path.replacePrefixMatch ?? '/' } as const;
  return undefined;
}

function mirrorOf(view: View, filter: RouteFilter, routeNamespace: string): NonNullable<HttpRoute['mirrors']> {
  const mirror = filter.requestMirror;
  if (mirror === undefined) return [];
  const destination = destinationOf(view, mirror.backendRef, routeNamespace);
  if (destination.kind === 'invalid') return [];
  const share = mirror.fraction ?? { numerator: mirror.percent ?? 100, denominator: 100 };
  const backend = backendKey(destination.service, destination.port);
  return [{ backend, numerator: share.numerator, denominator: share.denominator ?? 100, keepHost: true }];
}

function corsOf(given: NonNullable<RouteFilter['cors']>): NonNullable<HttpRoute['cors']> {
  return {
    origins: (given.allowOrigins ?? []).map(originMatch),
    methods: [...(given.allowMethods ?? [])],
    headers: [...(given.allowHeaders ?? [])],
    expose: [...(given.exposeHeaders ?? [])],
    maxAge: durationOf((given.maxAge ?? 5) * 1000),
    credentials: given.allowCredentials ?? false,
  };
}

function originMatch(origin: string) {
  if (origin === '*') return { m: { case: 'present', value: true } } as const;
  const star = origin.indexOf('*');
  if (star < 0) return { m: { case: 'exact', value: origin } } as const;
  return {
    m: { case: 'regex', value: `${quoted(origin.slice(0, star))}.*${quoted(origin.slice(star + 1))}` },
  } as const;
}

/** Text as a regular expression that matches only itself. */
function quoted(text: string): string {
  return `\\Q${text.replaceAll('\\E', '')}\\E`;
}
