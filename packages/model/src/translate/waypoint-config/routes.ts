// Routes of one service port -> HttpRoutes in evaluation order (spec waypoint 3.3-3.5). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type HttpRouteSchema,
  type RetrySchema,
  type SessionPersistenceSchema,
  SessionPersistence_Type,
  type TargetSchema,
} from '@ambit/proto/waypoint';
import type { BackendRef, GrpcRouteRule, HttpRouteRule } from '@ambit/resources';
import type { AnyRoute, View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { destinationOf } from './destination.ts';
import { durationMs, durationOf } from './duration.ts';
import { filtersOf } from './filters.ts';
import { backendKey } from './keys.ts';
import { compareRanks, grpcMatch, httpMatch, type RankedMatch } from './matches.ts';
import { metaOf } from './meta.ts';
import type { AttachedRoute } from './parents.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type HttpRouteInit = Init<MessageInitShape<typeof HttpRouteSchema>>;
type SessionInit = Init<MessageInitShape<typeof SessionPersistenceSchema>>;
type RetryInit = Init<MessageInitShape<typeof RetrySchema>>;
type TargetInit = Init<MessageInitShape<typeof TargetSchema>>;

/** Routes in order, and the service ports they lead to. */
export interface RoutesResult {
  readonly routes: HttpRouteInit[];
  readonly destinations: readonly { readonly service: ServiceDefinition; readonly port: number }[];
}

const DEFAULT_RETRY_ON = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'];
const DEFAULT_ATTEMPTS = 2;

/** Merges routes: each pair of rule and match is one entry, the most specific of a group first. */
export function routesOf(view: View, routes: readonly AttachedRoute[], service: ServiceDefinition): RoutesResult {
  const groups = new Map<string, { rank: RankedMatch['rank']; route: HttpRouteInit }[]>();
  const destinations: { service: ServiceDefinition; port: number }[] = [];
  for (const { route, group } of routes) {
    const entries = groups.get(group) ?? [];
    groups.set(group, entries);
    const namespace = route.object.metadata.namespace ?? '';
    // A route of another namespace is meant for the clients of that namespace only.
    const sourceNamespaces = namespace === service.namespace ? [] : [namespace];
    const rules: readonly (HttpRouteRule | GrpcRouteRule)[] = route.object.spec?.rules ?? [];
    for (const [index, rule] of rules.entries()) {
      const base = ruleOf(view, route, rule, index, destinations);
      for (const { match, rank } of matchesOf(route, rule)) {
        entries.push({ rank, route: { ...base, matches: [{ ...match, sourceNamespaces }] } });
      }
    }
  }
  const ordered = [...groups.values()].flatMap((g) => g.toSorted((a, b) => compareRanks(a.rank, b.rank)));
  return { routes: ordered.map((entry) => entry.route), destinations };
}

function matchesOf(route: AnyRoute, rule: HttpRouteRule | GrpcRouteRule): RankedMatch[] {
  if (route.kind === 'HTTPRoute') {
    const matches = (rule as HttpRouteRule).matches ?? [];
    return (matches.length === 0 ? [{}] : matches).map(httpMatch);
  }
  const matches = (rule as GrpcRouteRule).matches ?? [];
  return (matches.length === 0 ? [{}] : matches).map(grpcMatch);
}

function ruleOf(
  view: View,
  route: AnyRoute,
  rule: HttpRouteRule | GrpcRouteRule,
  index: number,
  destinations: { service: ServiceDefinition; port: number }[],
): HttpRouteInit {
  const { namespace = '', name = '' } = route.object.metadata;
  const filters = filtersOf(view, rule.filters ?? [], namespace);
  const base: HttpRouteInit = {
    name: rule.name ?? `${namespace}.${name}.${index}`,
    origin: metaOf(route.kind, route.object),
    ...(route.kind === 'HTTPRoute' ? timing(rule as HttpRouteRule) : {}),
    ...(rule.sessionPersistence !== undefined && {
      session: sessionOf(rule.sessionPersistence, `${namespace}.${name}.${index}`),
    }),
  };
  // A rule with a filter that we do not know answers 500: leaving the filter out could open what it closes.
  if (filters.unknown !== undefined) return { ...base, action: FAILED };
  const { redirect, unknown: _unknown, ...operations } = filters;
  if (redirect !== undefined) return { ...base, ...operations, action: { case: 'redirect', value: redirect } };
  const targets = targetsOf(view, rule.backendRefs ?? [], namespace, destinations);
  if (targets.length === 0) return { ...base, ...operations, action: FAILED };
  return { ...base, ...operations, action: { case: 'forward', value: { targets } } };
}

const FAILED = { case: 'direct', value: { status: 500 } } as const;

function targetsOf(
  view: View,
  refs: readonly BackendRef[],
  routeNamespace: string,
  destinations: { service: ServiceDefinition; port: number }[],
): TargetInit[] {
  const targets: TargetInit[] = [];
  for (const ref of refs) {
    const weight = ref.weight ?? 1;
    if (weight === 0) continue;
    const destination = destinationOf(view, ref, routeNamespace);
    if (destination.kind === 'invalid') {
      targets.push({ weight, invalid: true });
      continue;
    }
    destinations.push(destination);
    const filters = filtersOf(view, ref.filters ?? [], routeNamespace);
    const { unknown, cors: _cors, ...operations } = filters;
    targets.push({
      backend: backendKey(destination.service, destination.port),
      weight,
      ...operations,
      ...(unknown !== undefined && { invalid: true }),
    });
  }
  return targets;
}

/** Session persistence (GEP-1619): a cookie of the rule's name unless the rule names one. */
function sessionOf(
  { sessionName, absoluteTimeout, idleTimeout, type, cookieConfig }: NonNullable<HttpRouteRule['sessionPersistence']>,
  ruleName: string,
): SessionInit {
  const absoluteMs = durationMs(absoluteTimeout);
  const idleMs = durationMs(idleTimeout);
  const { lifetimeType } = (cookieConfig ?? {}) as { readonly lifetimeType?: unknown };
  return {
    type: type === 'Header' ? SessionPersistence_Type.HEADER : SessionPersistence_Type.COOKIE,
    name: sessionName ?? `session-${ruleName.replaceAll('.', '-')}`,
    permanentCookie: lifetimeType === 'Permanent',
    ...(absoluteMs !== undefined && { absolute: durationOf(absoluteMs) }),
    ...(idleMs !== undefined && { idle: durationOf(idleMs) }),
  };
}

function timing(rule: HttpRouteRule): Pick<HttpRouteInit, 'timeout' | 'timeoutSet' | 'retry'> {
  const requestMs = durationMs(rule.timeouts?.request);
  const tryMs = durationMs(rule.timeouts?.backendRequest);
  const retry = retryOf(rule, tryMs);
  return {
    ...(requestMs !== undefined && { timeout: durationOf(requestMs), timeoutSet: true }),
    ...(retry && { retry }),
  };
}

function retryOf({ retry }: HttpRouteRule, tryMs: number | undefined): RetryInit | undefined {
  if (retry === undefined && (tryMs === undefined || tryMs === 0)) return undefined;
  const backoffMs = durationMs(retry?.backoff);
  return {
    attempts: retry?.attempts ?? DEFAULT_ATTEMPTS,
    // Who asks for retries also means connections that break before the answer and tries that take too long.
    retryOn: retry === undefined ? DEFAULT_RETRY_ON : [...DEFAULT_RETRY_ON, 'reset'],
    codes: [...(retry?.codes ?? [])],
    ignorePrevious: true,
    ...(tryMs !== undefined && tryMs > 0 && { perTry: durationOf(tryMs) }),
    ...(backoffMs !== undefined && { base: durationOf(backoffMs) }),
  };
}
