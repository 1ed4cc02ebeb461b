/** One route of an Envoy virtual host -> our HttpRoute. Used by translate.ts. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HttpMatchSchema, HttpRouteSchema, RetrySchema, StringMatchSchema } from '@ambit/proto/waypoint';
import { asList, asMap, asText, durationOf, type Yaml } from './yaml.ts';

/** Envoy's route, as parsed. */
export type EnvoyRoute = Yaml;
type Route = Exclude<MessageInitShape<typeof HttpRouteSchema>, { $typeName: string }>;
type Match = Exclude<MessageInitShape<typeof HttpMatchSchema>, { $typeName: string }>;
type Text = Exclude<MessageInitShape<typeof StringMatchSchema>, { $typeName: string }>;

/** Upstream's timeout of a route that names none. */
const defaultTimeout = '15s';

/** Envoy's StringMatcher. */
export const textOf = (matcher: Yaml): Text => {
  for (const kind of ['exact', 'prefix', 'suffix'] as const) {
    if (typeof matcher[kind] === 'string') return { m: { case: kind, value: matcher[kind] as string } };
  }
  return { m: { case: 'regex', value: asText(asMap(matcher['safe_regex'])['regex']) } };
};

/** Translates one route; each domain of the host is an alternative of its match. */
export const routeOf = (route: EnvoyRoute, domains: readonly string[], listenerUpgrades: boolean): Route => {
  const match = matchOf(asMap(route['match']));
  const forward = asMap(route['route']);
  const filters = asMap(route['typed_per_filter_config']);
  const upgrades = listenerUpgrades || asList(forward['upgrade_configs']).length > 0;
  const prefix = asMap(route['match'])['prefix'];
  return {
    name: asText(route['name']),
    matches: domains.map((domain) => ({ ...match, authority: authorityOf(domain) })),
    ...actionOf(route),
    requestHeaders: headerOps(asList(route['request_headers_to_add']), route['request_headers_to_remove']),
    responseHeaders: headerOps(asList(route['response_headers_to_add']), route['response_headers_to_remove']),
    rewrite: rewriteOf(forward, typeof prefix === 'string'),
    mirrors: asList(forward['request_mirror_policies']).map((mirror) => ({
      backend: String(mirror['cluster']),
      numerator: 100,
      denominator: 100,
    })),
    cors: corsOf(asMap(filters['envoy.filters.http.cors'])),
    fault: faultOf(asMap(filters['envoy.filters.http.fault'])),
    policies: filters['envoy.filters.http.local_ratelimit'] === undefined ? [] : [{ policy: rateLimitKey(route) }],
    timeout: durationOf(forward['timeout'] ?? (forward['max_stream_duration'] === undefined ? defaultTimeout : '0s')),
    timeoutSet: true,
    idleTimeout: durationOf(forward['idle_timeout']),
    maxStream: durationOf(asMap(forward['max_stream_duration'])['max_stream_duration']),
    retry: retryOf(asMap(forward['retry_policy'])),
    hash: hashOf(asList(forward['hash_policy'])),
    websocketDisabled: !upgrades,
  };
};

/** Name of the policy that holds a route's bucket. */
export const rateLimitKey = (route: EnvoyRoute): string => `rate-limit/${String(route['name'])}`;

const authorityOf = (domain: string): Text => {
  if (domain.startsWith('*')) return { m: { case: 'suffix', value: domain.slice(1) }, ignoreCase: true };
  if (domain.endsWith('*')) return { m: { case: 'prefix', value: domain.slice(0, -1) }, ignoreCase: true };
  return { m: { case: 'exact', value: domain }, ignoreCase: true };
};

const matchOf = (match: Yaml): Match => {
  const headers = asList(match['headers']).map((header) => ({
    name: String(header['name']),
    value: textOf(asMap(header['string_match'])),
  }));
  const method = headers.find(({ name }) => name === ':method');
  const separated = match['path_separated_prefix'];
  return {
    path: typeof separated === 'string' ? { m: { case: 'prefix', value: separated } } : pathOf(match),
    segmentPrefix: typeof separated === 'string',
    ...(method === undefined ? {} : { method: method.value }),
    headers: headers.filter(({ name }) => !name.startsWith(':')),
    query: asList(match['query_parameters']).map((parameter) => ({
      name: String(parameter['name']),
      value: textOf(asMap(parameter['string_match'])),
    })),
  };
};

const pathOf = (match: Yaml): Text => textOf({ exact: match['path'], prefix: match['prefix'] });

const statuses: Readonly<Record<string, number>> = {
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

const actionOf = (route: EnvoyRoute): Pick<Route, 'action'> => {
  const direct = route['direct_response'];
  if (direct !== undefined) {
    const { status, body } = asMap(direct);
    const text = Buffer.from(asText(asMap(body)['inline_string']));
    return { action: { case: 'direct', value: { status: Number(status), body: text } } };
  }
  const redirect = route['redirect'];
  if (redirect === undefined) {
    const backend = String(asMap(route['route'])['cluster']);
    return { action: { case: 'forward', value: { targets: [{ backend, weight: 1 }] } } };
  }
  const rule = asMap(redirect);
  const text = (name: string): string => asText(rule[name]);
  const path =
    rule['path_redirect'] !== undefined
      ? ({ case: 'full', value: text('path_redirect') } as const)
      : rule['prefix_rewrite'] !== undefined
        ? ({ case: 'prefix', value: text('prefix_rewrite') } as const)
        : ({ case: undefined } as const);
  return {
    action: {
      case: 'redirect',
      value: {
        scheme: rule['https_redirect'] === true ? 'https' : text('scheme_redirect'),
        host: text('host_redirect'),
        port: Number(rule['port_redirect'] ?? 0),
        status: statuses[text('response_code')] ?? 301,
        stripQuery: rule['strip_query'] === true,
        path,
      },
    },
  };
};

const headerOps = (adds: readonly Yaml[], remove: unknown): Route['requestHeaders'] => {
  const ops = { set: {} as Record<string, string>, add: {} as Record<string, string>, remove: [] as string[] };
  if (Array.isArray(remove)) ops.remove.push(...(remove as string[]));
  for (const add of adds) {
    const { key, value } = asMap(add['header']);
    const action = asText(add['append_action'], 'APPEND_IF_EXISTS_OR_ADD');
    (action.startsWith('OVERWRITE') ? ops.set : ops.add)[String(key)] = String(value);
  }
  return ops;
};

const rewriteOf = (forward: Yaml, isPrefix: boolean): Route['rewrite'] => {
  const host = asText(forward['host_rewrite_literal']);
  const prefix = forward['prefix_rewrite'];
  if (typeof prefix === 'string') {
    return { host, path: isPrefix ? { case: 'prefix', value: prefix } : { case: 'full', value: prefix } };
  }
  const regex = forward['regex_rewrite'];
  if (regex === undefined) return host === '' ? undefined : { host };
  const { pattern, substitution } = asMap(regex);
  const value = { pattern: String(asMap(pattern)['regex']), substitution: String(substitution) };
  return { host, path: { case: 'regex', value } };
};

const corsOf = (cors: Yaml): Route['cors'] => {
  if (cors['allow_origin_string_match'] === undefined) return undefined;
  const words = (name: string): string[] =>
    asText(cors[name])
      .split(',')
      .filter((word) => word !== '');
  return {
    origins: asList(cors['allow_origin_string_match']).map(textOf),
    methods: words('allow_methods'),
    headers: words('allow_headers'),
    expose: words('expose_headers'),
    maxAge: durationOf(`${String(cors['max_age'])}s`),
    credentials: cors['allow_credentials'] === true,
  };
};

const partsPerMillion = (percentage: unknown): number => Number(asMap(percentage)['numerator'] ?? 0) * 10_000;

const faultOf = (fault: Yaml): Route['fault'] => {
  const abort = asMap(fault['abort']);
  const delay = asMap(fault['delay']);
  if (abort['http_status'] === undefined && delay['fixed_delay'] === undefined) return undefined;
  return {
    delay: durationOf(delay['fixed_delay']),
    delayPpm: partsPerMillion(delay['percentage']),
    abortHttp: Number(abort['http_status'] ?? 0),
    abortPpm: partsPerMillion(abort['percentage']),
  };
};

const retryOf = (policy: Yaml): Exclude<MessageInitShape<typeof RetrySchema>, { $typeName: string }> => {
  const backOff = asMap(policy['retry_back_off']);
  return {
    attempts: Number(policy['num_retries'] ?? 0),
    retryOn: asText(policy['retry_on'])
      .split(',')
      .filter((word) => word !== ''),
    perTry: durationOf(policy['per_try_timeout']),
    base: durationOf(backOff['base_interval']),
    max: durationOf(backOff['max_interval']),
  };
};

const hashOf = (policies: readonly Yaml[]): Route['hash'] => {
  const cookie = policies[0]?.['cookie'];
  if (cookie === undefined) return undefined;
  const { name, path, ttl } = asMap(cookie);
  return { key: { case: 'cookie', value: { name: String(name), path: asText(path), ttl: durationOf(ttl) } } };
};
