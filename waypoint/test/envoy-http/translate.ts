/**
 * The recorded Envoy configuration -> resources of our own data plane. In: one listener of golden envoy-http/config.yaml and
 * the addresses of the backends. Out: what the control plane would send. Called by envoy-http-golden.test.ts.
 * Fields of Envoy that no API of ours has are left out; deviations.ts says which situations that concerns.
 */
import { clusterBackend, type ClusterPorts } from './translate-cluster.ts';
import { policiesOf } from './translate-policy.ts';
import { type EnvoyRoute, routeOf } from './translate-route.ts';
import { asList, asMap, asText, durationOf, type Yaml } from './yaml.ts';
import type { TestConfig } from '../../src/testing/mesh.ts';

/** Key of the only frontend. */
export const FRONTEND = 'golden/app';
/** Its port, and the authority of its tunnels. */
export const FRONTEND_PORT = 80;

/** The connection manager of a listener. */
export const managerOf = (config: Yaml, listener: string): Yaml => {
  const listeners = asList(asMap(config['static_resources'])['listeners']);
  const found = listeners.find(({ name }) => name === listener);
  if (found === undefined) throw new Error(`config.yaml has no listener ${listener}`);
  const filters = asList(asList(found['filter_chains'])[0]?.['filters']);
  return asMap(filters[0]?.['typed_config']);
};

/** Everything for one listener. */
export const translate = (config: Yaml, listener: string, ports: ClusterPorts): TestConfig => {
  const manager = managerOf(config, listener);
  const clusters = asList(asMap(config['static_resources'])['clusters']);
  const allowsWebsocket = asList(manager['upgrade_configs']).length > 0;
  const hosts = asList(asMap(manager['route_config'])['virtual_hosts']);
  const routes = hosts.flatMap((host) => {
    const domains = host['domains'] as readonly string[];
    const made = asList(host['routes']).map((route) => routeOf(route as EnvoyRoute, domains, allowsWebsocket));
    return host['require_tls'] === 'ALL' ? [...made.map(redirectToHttps), ...made] : made;
  });
  const { policies, secrets } = policiesOf(asList(manager['http_filters']), hosts);
  return {
    proxy: { trustDomain: 'cluster.local', ...proxyOf(manager) },
    frontends: {
      [FRONTEND]: {
        hostname: 'app',
        namespace: 'golden',
        ports: [{ port: FRONTEND_PORT, protocol: 1, routeTable: `${FRONTEND}:80`, backend: 'backend' }],
        policies: Object.keys(policies)
          .filter((policy) => !policy.startsWith('rate-limit/'))
          .map((policy) => ({ policy, failClosedIfMissing: true })),
      },
    },
    routeTables: { [`${FRONTEND}:80`]: { routes } },
    backends: Object.fromEntries(clusters.map((cluster) => [String(cluster['name']), clusterBackend(cluster, ports)])),
    policies,
    secrets,
  };
};

const redirectToHttps = (route: ReturnType<typeof routeOf>): ReturnType<typeof routeOf> => ({
  name: '',
  matches: (route.matches ?? []).map(
    (match) => ({ ...match, scheme: { m: { case: 'exact', value: 'http' } } }) as never,
  ),
  action: { case: 'redirect', value: { scheme: 'https', status: 301 } },
});

const underscores: Readonly<Record<string, number>> = { REJECT_REQUEST: 1, DROP_HEADER: 2 };

const proxyOf = (manager: Yaml): NonNullable<TestConfig['proxy']> => {
  const common = asMap(manager['common_http_protocol_options']);
  const http1 = asMap(manager['http_protocol_options']);
  const kilobytes = manager['max_request_headers_kb'];
  const log = asMap(asList(manager['access_log'])[0]?.['typed_config']);
  const fields = asMap(asMap(log['log_format'])['json_format']);
  return {
    trustedProxies: Number(manager['xff_num_trusted_hops'] ?? 0),
    providers: [
      {
        name: 'log',
        body: {
          case: 'accessLog',
          value: { path: '/dev/stdout', format: 1, jsonFields: fields as Record<string, string> },
        },
      },
    ],
    http: {
      normalize: normalizeOf(manager),
      underscores: underscores[String(common['headers_with_underscores_action'])] ?? 0,
      useRemoteAddress: manager['use_remote_address'] === true,
      preserveH1Case: http1['header_key_format'] !== undefined,
      acceptHttp10: http1['accept_http_10'] === true,
      http10Host: asText(http1['default_host_for_http_10']),
      idle: durationOf(common['idle_timeout']),
      streamIdle: durationOf(manager['stream_idle_timeout']),
      request: durationOf(manager['request_timeout']),
      requestHeaders: durationOf(manager['request_headers_timeout']),
      maxHeaderBytes: typeof kilobytes === 'number' ? kilobytes * 1024 : 0,
      maxHeaders: Number(common['max_headers_count'] ?? 0),
      serverName: asText(manager['server_name'], 'envoy'),
      keepServerHeader: manager['server_header_transformation'] === 'PASS_THROUGH',
      proxy100Continue: manager['proxy_100_continue'] === true,
      trustRequestId: manager['preserve_external_request_id'] === true,
      omitRequestId: manager['generate_request_id'] === false,
      requestIdInResponse: manager['always_set_request_id_in_response'] === true,
      attemptCountInResponse: true,
      keepForwardedFor: manager['skip_xff_append'] === true,
      stripHostPort: manager['strip_any_host_port'] === true,
      stripHostDot: manager['strip_trailing_host_dot'] === true,
      via: asText(manager['via']),
    },
  };
};

const normalizeOf = (manager: Yaml): number => {
  if (manager['normalize_path'] !== true) return 1;
  switch (manager['path_with_escaped_slashes_action']) {
    case 'UNESCAPE_AND_REDIRECT':
      return 4;
    case 'REJECT_REQUEST':
      return 5;
    case 'UNESCAPE_AND_FORWARD':
      return 3;
    default:
      return manager['merge_slashes'] === true ? 2 : 0;
  }
};
