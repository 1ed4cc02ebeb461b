/**
 * `/explain` of the admin port (spec/waypoint.md 7.7): which frontend, route, policies and destination a request would meet, and
 * which user objects are behind them. In: a query, configuration, state. Out: plain data. Pure; main thread, nothing is sent.
 *
 * The same dispatch, route table and authorizer as on the data path. What only a live request has stays open and is named so:
 * signatures of tokens, answers of authorization and rate limit services, buckets, health of endpoints.
 */
import { HeaderList, normalizePath, peerFactsOf, type RequestView, type RouteDecision } from '@ambit/l7';
import type { Backend, Meta, Policy, PolicyRef } from '@ambit/proto/waypoint';
import type { Snapshot } from '@ambit/state';
import { dispatch } from '../hbone-in/dispatch.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';

/** What is asked: the query of the page. */
export interface ExplainQuery {
  /** Authority of the tunnel, `address:port` or `host:port`. */
  readonly authority: string;
  readonly method: string;
  readonly path: string;
  /** Default: the authority. */
  readonly host: string;
  /** SPIFFE id of the client; undefined = nobody. */
  readonly principal: string | undefined;
  readonly sourceIp: string;
  /** Payload of a token that is taken for verified. */
  readonly claims: unknown;
  /** `name: value`, in order. */
  readonly headers: readonly string[];
}

/** Reads the query; a text says what is wrong with it. */
export const explainQueryOf = (query: URLSearchParams): ExplainQuery | string => {
  const authority = query.get('authority');
  if (authority === null || authority === '') return 'authority=<address or host>:<port> is missing';
  const headers = query.getAll('header');
  const wrong = headers.find((text) => text.indexOf(':') < 1);
  if (wrong !== undefined) return `header=${wrong} is no name: value`;
  let claims: unknown;
  try {
    claims = query.has('claims') ? JSON.parse(query.get('claims') ?? '') : undefined;
  } catch {
    return 'claims=<JSON> is no JSON';
  }
  return {
    authority,
    method: query.get('method') ?? 'GET',
    path: query.get('path') ?? '/',
    host: query.get('host') ?? authority,
    principal: query.get('principal') ?? undefined,
    sourceIp: query.get('source_ip') ?? '0.0.0.0',
    claims,
    headers,
  };
};

/** Explains a request. */
export const explainRequest = (query: ExplainQuery, config: CompiledConfig, snapshot: Snapshot): object => {
  const found = dispatch(query.authority, config, snapshot);
  if (found.kind !== 'frontend') {
    return found.kind === 'lookup'
      ? { tunnel: { status: 404, reason: `${found.key} is not known here` } }
      : { tunnel: { status: found.status, reason: found.reason } };
  }
  const { frontend } = found;
  const path = normalizePath(query.path, config.settings.normalize);
  const tunnel = { status: 200, frontend: frontend.key, port: frontend.port };
  if (!path.ok) return { tunnel, answer: { status: 400, details: 'path_normalization_failed' } };
  const request = viewOf(query, frontend, found.destinationIp, path);
  const routes = frontend.routes();
  if (routes.kind === 'missing') return { tunnel, answer: { status: 404, details: 'route_configuration_not_found' } };
  const decision = routes.table.select(request, () => 0);
  const verdict = verdictOf(request, frontend, decision, config);
  return {
    tunnel,
    request: { method: request.method, path: request.path, query: request.query, host: request.authority },
    policies: refsOf(config, frontend, decision).map((ref) => policyOf(ref, config.snapshot.policy.get(ref.policy))),
    authorization: verdict,
    route: routeOf(decision),
    answer: answerOf(decision, verdict),
    destinations: verdict.allow ? destinationsOf(decision, config, snapshot) : [],
  };
};

const viewOf = (
  query: ExplainQuery,
  frontend: FrontendPort,
  destinationIp: string | undefined,
  { path, query: text }: { readonly path: string; readonly query: string | undefined },
): RequestView => ({
  peer: peerFactsOf(query.principal),
  sourceIp: query.sourceIp,
  remoteIp: query.sourceIp,
  destinationIp,
  port: frontend.port,
  sni: undefined,
  method: query.method,
  scheme: 'http',
  authority: query.host,
  path,
  query: text,
  headers: HeaderList.fromRaw([
    'host',
    query.host,
    ...query.headers.flatMap((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
    }),
  ]),
  ...(query.claims !== undefined && { claims: query.claims }),
});

interface Verdict {
  readonly allow: boolean;
  /** The rule that denies, or `none` when no ALLOW fits. */
  readonly policy?: string;
  readonly problems?: readonly string[];
  /** Providers whose word counts as well. */
  readonly asks?: readonly string[];
}

const verdictOf = (
  request: RequestView,
  frontend: FrontendPort,
  decision: RouteDecision,
  config: CompiledConfig,
): Verdict => {
  const rule = decision.route === undefined ? undefined : config.rulePolicies(decision.route.source, frontend.port);
  const authorizers = [frontend.httpAuthorizer(), ...(rule === undefined ? [] : [rule.authorizer])];
  const problems = authorizers.flatMap((authorizer) => authorizer.problems);
  const denied = authorizers.map((authorizer) => authorizer.authorize(request)).find(({ allow }) => !allow);
  const asks = [...frontend.extAuthz(), ...(rule?.extAuthz ?? [])].map((check) => check.config.backend);
  return {
    allow: denied === undefined,
    ...(denied?.allow === false && { policy: denied.policy }),
    ...(problems.length > 0 && { problems }),
    ...(asks.length > 0 && { asks }),
  };
};

/** References that count here, in the order in which they are compiled. */
const refsOf = ({ snapshot }: CompiledConfig, frontend: FrontendPort, decision: RouteDecision): PolicyRef[] => {
  const { key, port } = frontend;
  const message = snapshot.frontend.get(key);
  const table = message?.ports.find((declared) => declared.port === port)?.routeTable ?? '';
  return [
    ...[...snapshot.listener.values()].flatMap(({ policies }) => policies),
    ...(message?.policies ?? []),
    ...(snapshot.routeTable.get(table)?.policies ?? []),
    ...(decision.route?.source.policies ?? []),
  ].filter(({ ports }) => ports.length === 0 || ports.includes(port));
};

const policyOf = (ref: PolicyRef, policy: Policy | undefined): object => ({
  policy: ref.policy,
  kind: policy === undefined ? 'missing' : (policy.body.case ?? 'unreadable'),
  ...(policy?.meta !== undefined && { object: objectOf(policy.meta) }),
  ...(policy?.dryRun === true && { dry_run: true }),
});

const routeOf = ({ route }: RouteDecision): object | undefined =>
  route === undefined
    ? undefined
    : { name: route.name, ...(route.source.origin !== undefined && { object: objectOf(route.source.origin) }) };

const answerOf = (decision: RouteDecision, verdict: Verdict): object | undefined => {
  if (!verdict.allow) return { status: 403, details: `rbac_access_denied_matched_policy[${verdict.policy ?? ''}]` };
  return decision.kind === 'reply' ? { status: decision.reply.status, details: decision.reply.details } : undefined;
};

const destinationsOf = (decision: RouteDecision, config: CompiledConfig, snapshot: Snapshot): object[] => {
  if (decision.kind !== 'forward') return [];
  const weights = decision.route.source.action;
  const targets = weights.case === 'forward' ? weights.value.targets : [];
  const named = targets.length > 0 ? targets : [{ backend: decision.target.backend, weight: 1 }];
  return named.map(({ backend, weight }) => {
    const message = config.backend(backend);
    return {
      backend,
      weight,
      ...(message === undefined ? { problem: 'not known here' } : describe(message, snapshot)),
    };
  });
};

const describe = (backend: Backend, snapshot: Snapshot): object => {
  const members = [...(snapshot.endpoints.get(`${backend.serviceNamespace}/${backend.hostname}`)?.values() ?? [])];
  const subset = backend.subset === '' ? undefined : new Set(backend.members);
  const used = members.map(({ workload }) => workload).filter(({ uid }) => subset?.has(uid) !== false);
  return {
    ...(backend.meta !== undefined && { object: objectOf(backend.meta) }),
    endpoints: [
      ...backend.endpoints.map(({ address, port }) => ({ address, port })),
      ...used.map(({ uid, ips, protocol, healthy }) => ({ uid, address: ips[0], protocol, healthy })),
    ],
  };
};

const objectOf = ({ kind, namespace, name }: Meta): string => `${kind}/${namespace}/${name}`;
