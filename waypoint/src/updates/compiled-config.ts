/**
 * Configuration as the data path asks for it: frontends with compiled routes and policies, compiled on first use.
 * In: a ConfigSnapshot. Out: one immutable object per snapshot; requests keep the one with which they started.
 * Route tables are compiled once per message, also across snapshots. Data thread.
 */
import {
  type Authorizer,
  compileAuthorizer,
  compileExtAuthz,
  compileJwt,
  type CompiledRouteTable,
  compileRetryPlan,
  createRateLimiter,
  createTokenBuckets,
  compileRouteTable,
  type ExtAuthzCheck,
  type GlobalRateCheck,
  globalRateLimitsOf,
  type JwtAuthenticator,
  L7Error,
  type RateLimiter,
  type RouteDecision,
  type TokenBuckets,
} from '@ambit/l7';
import {
  type Backend,
  type Frontend,
  type ExtAuthz,
  type HttpRoute,
  type L4Route,
  Listener_Protocol,
  type Policy,
  type PolicyRef,
  type RouteTable,
} from '@ambit/proto/waypoint';
import { threadId } from 'node:worker_threads';
import type { Tracing } from '../tracing/start.ts';
import { compileTags, noTags } from '../tracing/tags.ts';
import { type ProxySettings, settingsOf } from './proxy-settings.ts';
import { type ConfigSnapshot, PROXY_CONFIG_KEY } from './config-store.ts';
import { defaultRoute, defaultTarget } from './default-route.ts';
import { type PortTelemetry, telemetryAt } from './telemetry-at.ts';

/** Wire protocol of a service port (the numbers of istio.workload.AppProtocol). */
export const AppProtocol = { unknown: 0, http11: 1, http2: 2, grpc: 3, tcp: 4, tls: 5 } as const;

/** How the requests of a frontend port are routed. */
export type PortRoutes = { readonly kind: 'table'; readonly table: CompiledRouteTable } | { readonly kind: 'missing' }; // named but not here, or not compilable: 404

/** One port of a frontend. */
export interface FrontendPort {
  /** Key of the Frontend resource. */
  readonly key: string;
  readonly hostname: string;
  readonly namespace: string;
  readonly port: number;
  readonly protocol: number;
  /** Set when the frontend is a workload, not a service. */
  readonly workloadUid: string | undefined;
  /** Key of the default destination; empty for a workload frontend (the workload itself). */
  readonly backend: string;
  readonly l4Routes: readonly L4Route[];
  routes(): PortRoutes;
  /** Policies of the frontend for HTTP requests. */
  httpAuthorizer(): Authorizer;
  /** Services that may have to be asked. */
  extAuthz(): readonly ExtAuthzCheck[];
  /** Local rate limits; their buckets live as long as the policy is unchanged. */
  rateLimiters(): readonly RateLimiter[];
  /** How requests are traced here; undefined = not at all. */
  tracing(): Tracing | undefined;
  /** Access lines and metrics where a Telemetry changes them. */
  telemetry(): PortTelemetry;
  /** Rate limit services that have to be asked. */
  globalRateLimits(): readonly GlobalRateCheck[];
  /** Longest request body, which then is waited for whole; undefined = bodies stream. */
  bodyLimit(): number | undefined;
  /** Rules for tokens; undefined when there are none. */
  jwt(): JwtAuthenticator | undefined;
  /** The same policies for raw connections. */
  tcpAuthorizer(): Authorizer;
}

/** What the data path reads. */
export interface CompiledConfig {
  readonly settings: ProxySettings;
  readonly snapshot: ConfigSnapshot;
  /** A port of a frontend, or why there is none. */
  frontendPort(frontendKey: string, port: number): FrontendPort | 'no-frontend' | 'no-port';
  /** Keys of frontends with this host name. */
  frontendsByHostname(hostname: string): readonly string[];
  backend(key: string): Backend | undefined;
  /** Policies that belong to one rule; compiled on first use. */
  rulePolicies(route: HttpRoute, port: number): RulePolicies;
}

/** Policies of one rule at one port. */
export interface RulePolicies {
  readonly authorizer: Authorizer;
  readonly extAuthz: readonly ExtAuthzCheck[];
  readonly rateLimiters: readonly RateLimiter[];
  readonly globalRateLimits: readonly GlobalRateCheck[];
}

/** Wraps a snapshot; nothing is compiled before it is asked for. */
export const compileConfig = (snapshot: ConfigSnapshot, buckets = createTokenBuckets()): CompiledConfig => {
  const settings = settingsOf(snapshot.proxy.get(PROXY_CONFIG_KEY));
  const gatewayPolicies = [...snapshot.listener.values()]
    .filter((listener) => listener.protocol === Listener_Protocol.HBONE)
    .flatMap((listener) => listener.policies);
  const ports = new Map<string, FrontendPort>();
  const rules = new WeakMap<HttpRoute, Map<number, RulePolicies>>();
  let byHostname: Map<string, string[]> | undefined;
  return {
    settings,
    snapshot,
    frontendPort: (frontendKey, port) => {
      const cacheKey = `${frontendKey}#${port}`;
      const known = ports.get(cacheKey);
      if (known !== undefined) return known;
      const frontend = snapshot.frontend.get(frontendKey);
      if (frontend === undefined) return 'no-frontend';
      const made = makePort(snapshot, settings, buckets, gatewayPolicies, frontendKey, frontend, port);
      if (typeof made !== 'string') ports.set(cacheKey, made);
      return made;
    },
    frontendsByHostname: (hostname) => {
      byHostname ??= indexByHostname(snapshot);
      return byHostname.get(hostname) ?? [];
    },
    backend: (key) => snapshot.backend.get(key),
    rulePolicies: (route, port) => {
      let byPort = rules.get(route);
      if (byPort === undefined) rules.set(route, (byPort = new Map()));
      let compiled = byPort.get(port);
      if (compiled === undefined) {
        const input = { refs: route.policies, port, lookup: lookupIn(snapshot), provider: providerIn(settings) };
        const authorizer = compileAuthorizer({ ...input, protocol: 'http', scope: 'route' });
        const rateLimiters = rateLimitersOf(input, buckets);
        const globalRateLimits = globalRateLimitsOf(input);
        compiled = { authorizer, extAuthz: compileExtAuthz(input), rateLimiters, globalRateLimits };
        byPort.set(port, compiled);
      }
      return compiled;
    },
  };
};

const lookupIn =
  ({ policy }: ConfigSnapshot) =>
  (key: string) =>
    policy.get(key);

/** Services of action CUSTOM, by the name of the mesh's extension provider. */
const providerIn =
  ({ source }: ProxySettings) =>
  (name: string): ExtAuthz | undefined => {
    const body = source?.providers.find((provider) => provider.name === name)?.body;
    return body?.case === 'extAuthz' ? body.value : undefined;
  };

const limiters = new WeakMap<Policy, RateLimiter>();

/** Limiters of the policies; those that cannot be compiled deny in the authorizer. */
const rateLimitersOf = (
  input: {
    readonly refs: readonly PolicyRef[];
    readonly port: number;
    readonly lookup: (key: string) => Policy | undefined;
  },
  buckets: TokenBuckets,
): RateLimiter[] =>
  input.refs.flatMap((ref) => {
    const policy = input.lookup(ref.policy);
    if (policy?.body.case !== 'localRateLimit' || policy.dryRun) return [];
    if (ref.ports.length > 0 && !ref.ports.includes(input.port)) return [];
    let limiter = limiters.get(policy);
    if (limiter === undefined) {
      try {
        limiter = createRateLimiter(policy.body.value, { buckets, name: ref.policy, thread: String(threadId) });
      } catch (error) {
        if (L7Error.is(error)) return [];
        throw error;
      }
      limiters.set(policy, limiter);
    }
    return [limiter];
  });

const indexByHostname = (snapshot: ConfigSnapshot): Map<string, string[]> => {
  const index = new Map<string, string[]>();
  for (const [key, frontend] of snapshot.frontend) {
    if (frontend.workload || frontend.hostname === '') continue;
    const keys = index.get(frontend.hostname);
    if (keys === undefined) index.set(frontend.hostname, [key]);
    else keys.push(key);
  }
  return index;
};

const makePort = (
  snapshot: ConfigSnapshot,
  settings: ProxySettings,
  buckets: TokenBuckets,
  gatewayPolicies: readonly PolicyRef[],
  key: string,
  frontend: Frontend,
  port: number,
): FrontendPort | 'no-port' => {
  const declared = frontend.ports.find((candidate) => candidate.port === port);
  if (declared === undefined && !frontend.workload) return 'no-port';
  const tableKey = declared?.routeTable ?? '';
  const backend = declared?.backend ?? '';
  const table = tableKey === '' ? undefined : snapshot.routeTable.get(tableKey);
  const refs = [...gatewayPolicies, ...frontend.policies, ...(table?.policies ?? [])];
  const input = { refs, port, lookup: lookupIn(snapshot), provider: providerIn(settings) };
  const authorizer = (protocol: 'http' | 'tcp') => lazy(() => compileAuthorizer({ ...input, protocol }));
  return {
    key,
    hostname: frontend.hostname,
    namespace: frontend.namespace,
    port,
    protocol: declared?.protocol ?? AppProtocol.unknown,
    workloadUid: frontend.workload ? frontend.workloadUid || key : undefined,
    backend,
    l4Routes: declared?.l4Routes ?? [],
    routes: lazy(() => routesOf(tableKey, table, backend, settings)),
    httpAuthorizer: authorizer('http'),
    tcpAuthorizer: authorizer('tcp'),
    jwt: lazy(() => compileJwt(input)),
    extAuthz: lazy(() => compileExtAuthz(input)),
    rateLimiters: lazy(() => rateLimitersOf(input, buckets)),
    tracing: lazy(() => tracingAt(settings, input)),
    telemetry: lazy(() => telemetryAt(settings, refs, input.lookup)),
    globalRateLimits: lazy(() => globalRateLimitsOf(input)),
    bodyLimit: lazy(() => bodyLimitOf(input)),
  };
};

/** The mesh's tracing under the Telemetry policies of the port; later ones are more specific (spec/waypoint.md 7.2). */
const tracingAt = (settings: ProxySettings, { refs, lookup }: PolicyLookup): Tracing | undefined => {
  let tracing = settings.tracing;
  for (const ref of refs) {
    const body = lookup(ref.policy)?.body;
    const use = body?.case === 'telemetry' ? body.value.tracing : undefined;
    if (use === undefined) continue;
    const named = settings.source?.providers.find(({ name }) => name === use.provider)?.body;
    const provider = named?.case === 'tracing' ? named.value : tracing?.provider;
    if (provider === undefined) continue;
    const samplingPercent = use.samplingSet
      ? use.samplingPercent
      : (tracing?.samplingPercent ?? provider.samplingPercent);
    tracing = {
      provider,
      samplingPercent,
      isReported: !use.disableReporting,
      isPropagated: !use.disablePropagation,
      // The tags of a more specific object take the place of all others.
      tags: Object.keys(use.tags).length === 0 ? (tracing?.tags ?? noTags) : compileTags(use.tags),
      hasIstioTags: use.istioTags,
    };
  }
  return tracing;
};

/** The smallest limit of the policies of kind `buffer`. */
interface PolicyLookup {
  readonly refs: readonly PolicyRef[];
  readonly port: number;
  readonly lookup: (key: string) => Policy | undefined;
}

const bodyLimitOf = ({ refs, port, lookup }: PolicyLookup): number | undefined => {
  let limit: number | undefined;
  for (const ref of refs) {
    const body = lookup(ref.policy)?.body;
    if (body?.case !== 'buffer' || (ref.ports.length > 0 && !ref.ports.includes(port))) continue;
    const { maxRequestBytes } = body.value;
    if (maxRequestBytes > 0) limit = Math.min(limit ?? maxRequestBytes, maxRequestBytes);
  }
  return limit;
};

const routesOf = (
  tableKey: string,
  table: RouteTable | undefined,
  backend: string,
  settings: ProxySettings,
): PortRoutes => {
  if (tableKey === '') return { kind: 'table', table: defaultTable(backend, settings) };
  if (table === undefined) return { kind: 'missing' };
  const compiled = compileOnce(table, settings);
  return compiled === undefined ? { kind: 'missing' } : { kind: 'table', table: compiled };
};

const compiledTables = new WeakMap<RouteTable, CompiledRouteTable | 'broken'>();

const compileOnce = (table: RouteTable, settings: ProxySettings): CompiledRouteTable | undefined => {
  let compiled = compiledTables.get(table);
  if (compiled === undefined) {
    try {
      compiled = compileRouteTable(table, { defaultRetry: compileRetryPlan(settings.source?.defaultRetry) });
    } catch {
      compiled = 'broken'; // the main thread rejects such a table; this is the second wall
    }
    compiledTables.set(table, compiled);
  }
  return compiled === 'broken' ? undefined : compiled;
};

/** A frontend without route objects: everything goes to its own backend (spec/waypoint.md 3.2, rule 5). */
const defaultTable = (backend: string, settings: ProxySettings): CompiledRouteTable => {
  const retry = compileRetryPlan(settings.source?.defaultRetry);
  const decision: RouteDecision = {
    kind: 'forward',
    route: defaultRoute(retry),
    target: defaultTarget(backend),
    targets: [],
    matchedPrefix: undefined,
  };
  return { gatewaySemantics: false, usesClaims: false, select: () => decision };
};

const lazy = <T>(make: () => T): (() => T) => {
  let value: { readonly made: T } | undefined;
  return () => (value ??= { made: make() }).made;
};
