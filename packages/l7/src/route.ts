/**
 * Route selection: RouteTable -> matcher, request view -> what to do with it (spec/waypoint.md 3.2-3.7).
 * Rules are tried in the order of the control plane, which has already applied the precedence of 3.3.
 * Compiled once per thread and table; selection on the data thread, deterministic with the caller's `random`.
 */
import type { HttpMatch, HttpRoute, RouteTable, Target } from '@ambit/proto/waypoint';
import { type CompiledCors, compileCors } from './cors.ts';
import { type CompiledFault, compileFault } from './fault.ts';
import { compileHeaderOps, type HeaderEdit } from './headers.ts';
import { type LocalReply, localReply, replies } from './local-reply.ts';
import { indexByPath } from './match/path-index.ts';
import { trimSegmentPrefix } from './match/path.ts';
import { compileRequestMatch, type RequestTest } from './match/request-match.ts';
import { redirectReply } from './redirect.ts';
import type { RequestView } from './request-view.ts';
import { compileRetryPlan, defaultRetryPlan, type RetryPlan } from './retry.ts';
import { type CompiledRewrite, compileRewrite, matchedPrefixOf } from './rewrite.ts';
import { compileTimeouts, type RouteTimeouts } from './timeouts.ts';

/** One destination of a forward action. */
export interface RouteTarget {
  /** Key of the Backend resource. */
  readonly backend: string;
  readonly weight: number;
  /** True for a destination that the control plane could not resolve: its share is answered 500. */
  readonly invalid: boolean;
  readonly requestHeaders: HeaderEdit;
  readonly responseHeaders: HeaderEdit;
  readonly rewrite: CompiledRewrite | undefined;
  readonly redirect: Target['redirect'];
  readonly mirrors: Target['mirrors'];
}

/** What a matching route leads to. */
export type RouteDecision =
  | {
      readonly kind: 'forward';
      readonly route: CompiledRoute;
      readonly target: RouteTarget;
      /** All destinations of the rule, for sessions. */
      readonly targets: readonly RouteTarget[];
      /** Prefix pattern that matched, the input of prefix rewrites. */
      readonly matchedPrefix: string | undefined;
    }
  | { readonly kind: 'reply'; readonly route: CompiledRoute | undefined; readonly reply: LocalReply };

/** One compiled rule. */
export interface CompiledRoute {
  readonly name: string;
  /** Namespace of the user object behind the rule. */
  readonly namespace: string;
  readonly requestHeaders: HeaderEdit;
  readonly responseHeaders: HeaderEdit;
  readonly rewrite: CompiledRewrite | undefined;
  readonly timeouts: RouteTimeouts;
  readonly retry: RetryPlan;
  readonly cors: CompiledCors | undefined;
  readonly fault: CompiledFault | undefined;
  readonly allowsWebsocket: boolean;
  /** The resource itself, for fields that have no decision here (mirrors, hashing, policies). */
  readonly source: HttpRoute;
}

/** A compiled table. */
export interface CompiledRouteTable {
  readonly gatewaySemantics: boolean;
  /** True when a rule looks at claims: a choice made before authentication has to be made again. */
  readonly usesClaims: boolean;
  /** Chooses a rule and a destination; `random` gives numbers in [0, 1). */
  select(request: RequestView, random: () => number): RouteDecision;
}

interface Candidate {
  readonly test: RequestTest;
  readonly match: HttpMatch | undefined;
  readonly rule: Rule;
}

interface Rule {
  readonly route: CompiledRoute;
  readonly decide: (request: RequestView, matchedPrefix: string | undefined, random: () => number) => RouteDecision;
}

/** Options of {@link compileRouteTable}. */
export interface RouteTableOptions {
  /** Plan of rules without retry settings; default {@link defaultRetryPlan}. */
  readonly defaultRetry?: RetryPlan;
}

/** Compiles a table. Throws L7Error: the caller rejects the table and keeps its last good version. */
export const compileRouteTable = (table: RouteTable, options: RouteTableOptions = {}): CompiledRouteTable => {
  const defaultRetry = options.defaultRetry ?? defaultRetryPlan;
  const candidates = table.routes.flatMap((route) => compileCandidates(route, table.gatewaySemantics, defaultRetry));
  const mayFit = indexByPath(candidates, literalOf);
  const serviceNamespace = table.meta?.namespace ?? '';
  const consumers = table.gatewaySemantics ? consumerNamespaces(candidates, serviceNamespace) : new Set<string>();
  return {
    gatewaySemantics: table.gatewaySemantics,
    usesClaims: table.routes.some(({ matches }) => matches.some(({ claims }) => claims.length > 0)),
    select: (request, random) => {
      const namespace = request.peer.namespace;
      const consumer = namespace !== undefined && consumers.has(namespace) ? namespace : undefined;
      for (const candidate of mayFit(request.path)) {
        if (consumers.size > 0 && !isVisible(candidate, consumer, consumers)) continue;
        if (candidate.test(request)) return candidate.rule.decide(request, matchedPrefixOf(candidate.match), random);
      }
      return { kind: 'reply', route: undefined, reply: replies.routeNotFound };
    },
  };
};

/** What a path has to begin with to fit; undefined where that cannot be told. */
const literalOf = ({ match }: Candidate): string | undefined => {
  const form = match?.path?.m;
  if (match === undefined || match.ignoreCase || match.path?.invert === true || match.path?.ignoreCase === true)
    return undefined;
  if (form?.case === 'exact') return form.value;
  if (form?.case !== 'prefix') return undefined;
  return match.segmentPrefix ? trimSegmentPrefix(form.value) : form.value;
};

const compileCandidates = (route: HttpRoute, gatewaySemantics: boolean, defaultRetry: RetryPlan): Candidate[] => {
  const rule = compileRule(route, gatewaySemantics, defaultRetry);
  if (route.matches.length === 0) return [{ test: () => true, match: undefined, rule }];
  return route.matches.map((match) => ({ test: compileRequestMatch(match), match, rule }));
};

/** Namespaces other than the service's that own a rule meant for their own clients (GEP-1294). */
const consumerNamespaces = (candidates: readonly Candidate[], serviceNamespace: string): Set<string> => {
  const namespaces = new Set<string>();
  for (const { match, rule } of candidates) {
    const owner = rule.route.namespace;
    if (owner !== serviceNamespace && match?.sourceNamespaces.includes(owner) === true) namespaces.add(owner);
  }
  return namespaces;
};

/** Clients of a consumer namespace see only its rules; everybody else only the producer's. */
const isVisible = (candidate: Candidate, consumer: string | undefined, consumers: ReadonlySet<string>): boolean => {
  const owner = candidate.rule.route.namespace;
  return consumer === undefined ? !consumers.has(owner) : owner === consumer;
};

const compileRule = (source: HttpRoute, gatewaySemantics: boolean, defaultRetry: RetryPlan): Rule => {
  const route: CompiledRoute = {
    name: source.name,
    namespace: source.origin?.namespace ?? '',
    requestHeaders: compileHeaderOps(source.requestHeaders),
    responseHeaders: compileHeaderOps(source.responseHeaders),
    rewrite: compileRewrite(source.rewrite),
    timeouts: compileTimeouts(source),
    retry: compileRetryPlan(source.retry, defaultRetry),
    cors: source.cors === undefined ? undefined : compileCors(source.cors),
    fault: source.fault === undefined ? undefined : compileFault(source.fault),
    allowsWebsocket: !source.websocketDisabled,
    source,
  };
  return { route, decide: compileAction(source, route, gatewaySemantics) };
};

const compileAction = (source: HttpRoute, route: CompiledRoute, gatewaySemantics: boolean): Rule['decide'] => {
  const action = source.action;
  switch (action.case) {
    case 'forward':
      return compileForward(action.value.targets, route, gatewaySemantics);
    case 'redirect':
      return (request, matchedPrefix) => ({
        kind: 'reply',
        route,
        reply: redirectReply(action.value, request, { matchedPrefix, gatewaySemantics }),
      });
    case 'direct': {
      const { status, body, contentType } = action.value;
      const headers: [string, string][] = contentType === '' ? [] : [['content-type', contentType]];
      const reply = localReply(status, body, 'direct_response', { headers });
      return () => ({ kind: 'reply', route, reply });
    }
    case undefined: {
      const reply = gatewaySemantics ? replies.noBackends : replies.backendNotFound(false);
      return () => ({ kind: 'reply', route, reply });
    }
    default:
      return action satisfies never;
  }
};

const compileForward = (
  messages: readonly Target[],
  route: CompiledRoute,
  gatewaySemantics: boolean,
): Rule['decide'] => {
  const targets = messages.map(compileTarget);
  const total = targets.length === 1 ? 1 : targets.reduce((sum, target) => sum + target.weight, 0);
  if (total === 0) return () => ({ kind: 'reply', route, reply: replies.noBackends });
  return (request, matchedPrefix, random) => {
    const target = targets.length === 1 ? (targets[0] as RouteTarget) : chooseByWeight(targets, total, random());
    if (target.redirect !== undefined) {
      return {
        kind: 'reply',
        route,
        reply: redirectReply(target.redirect, request, { matchedPrefix, gatewaySemantics }),
      };
    }
    if (target.invalid) return { kind: 'reply', route, reply: replies.backendNotFound(gatewaySemantics) };
    return { kind: 'forward', route, target, targets, matchedPrefix };
  };
};

const compileTarget = (target: Target): RouteTarget => ({
  backend: target.backend,
  weight: target.weight,
  invalid: target.invalid,
  requestHeaders: compileHeaderOps(target.requestHeaders),
  responseHeaders: compileHeaderOps(target.responseHeaders),
  rewrite: compileRewrite(target.rewrite),
  redirect: target.redirect,
  mirrors: target.mirrors,
});

/** The entry under the point `random * total` of the stacked weights; entries of weight 0 have no width. */
export const chooseByWeight = <T extends { readonly weight: number }>(
  entries: readonly T[],
  total: number,
  random: number,
): T => {
  let left = random * total;
  let last = entries[0] as T;
  for (const entry of entries) {
    if (entry.weight === 0) continue;
    if (left < entry.weight) return entry;
    left -= entry.weight;
    last = entry;
  }
  return last;
};
