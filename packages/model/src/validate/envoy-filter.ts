// Rules for EnvoyFilters: nothing here applies them, but people keep them in the same folders (spec control-plane 10.2). The objects of
// the foreign proxy inside are not read; only what their names say is. Pure.
import { quoted } from '../analyze/go-text.ts';
import { enumText, type Findings, type Json, mapOf, mapsOf, optionalMap, textOf } from './json.ts';
import { problemOfExpression } from './regex.ts';
import { checkOldSelector } from './selection.ts';

const MAX_VERSION = 1024;
const LISTENER_KINDS = new Set(['LISTENER', 'FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER']);
const ROUTE_KINDS = new Set(['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE']);
/** Kinds whose object is an extension: a name with a typed configuration. */
const EXTENSIONS = new Set(['NETWORK_FILTER', 'HTTP_FILTER', 'LISTENER_FILTER', 'EXTENSION_CONFIG']);
const CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';
const RENAMED: Readonly<Record<string, string>> = {
  'envoy.cors': 'envoy.filters.http.cors',
  'envoy.csrf': 'envoy.filters.http.csrf',
  'envoy.http_dynamo_filter': 'envoy.filters.http.dynamo',
  'envoy.ext_authz': 'envoy.filters.http.ext_authz',
  'envoy.fault': 'envoy.filters.http.fault',
  'envoy.grpc_http1_bridge': 'envoy.filters.http.grpc_http1_bridge',
  'envoy.grpc_json_transcoder': 'envoy.filters.http.grpc_json_transcoder',
  'envoy.grpc_web': 'envoy.filters.http.grpc_web',
  'envoy.gzip': 'envoy.filters.http.gzip',
  'envoy.health_check': 'envoy.filters.http.health_check',
  'envoy.ip_tagging': 'envoy.filters.http.ip_tagging',
  'envoy.lua': 'envoy.filters.http.lua',
  'envoy.rate_limit': 'envoy.filters.http.ratelimit',
  'envoy.router': 'envoy.filters.http.router',
  'envoy.squash': 'envoy.filters.http.squash',
  'envoy.listener.http_inspector': 'envoy.filters.listener.http_inspector',
  'envoy.listener.original_dst': 'envoy.filters.listener.original_dst',
  'envoy.listener.original_src': 'envoy.filters.listener.original_src',
  'envoy.listener.proxy_protocol': 'envoy.filters.listener.proxy_protocol',
  'envoy.listener.tls_inspector': 'envoy.filters.listener.tls_inspector',
  'envoy.client_ssl_auth': 'envoy.filters.network.client_ssl_auth',
  'envoy.http_connection_manager': CONNECTION_MANAGER,
  'envoy.mongo_proxy': 'envoy.filters.network.mongo_proxy',
  'envoy.ratelimit': 'envoy.filters.network.ratelimit',
  'envoy.redis_proxy': 'envoy.filters.network.redis_proxy',
  'envoy.tcp_proxy': 'envoy.filters.network.tcp_proxy',
};

/** Checks an EnvoyFilter. */
export function checkEnvoyFilter(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  const warnings: string[] = [];
  const late: Findings = { error: findings.error, warn: (message) => void warnings.push(message) };
  if (!checkOldSelector(spec['workloadSelector'], 'Envoy filter', late)) return;
  findings.warn(
    'EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible, and exercise extreme caution, especially around upgrades.',
  );
  for (const warning of warnings) findings.warn(warning);
  for (const patch of mapsOf(spec['configPatches'])) {
    if (mapOf(patch['match'])['context'] !== 'WAYPOINT') checkPatch(patch, findings);
  }
}

function checkPatch(entry: Json, findings: Findings): void {
  const error = (message: string): void => findings.error(`Envoy filter: ${message}`);
  const applyTo = enumText(entry['applyTo'], 'INVALID');
  const patch = optionalMap(entry['patch']);
  const operation = enumText(patch?.['operation'], 'INVALID');
  const value = optionalMap(patch?.['value']);
  const missing = missingPart(applyTo, patch, operation, value);
  if (missing !== undefined) {
    error(missing);
    return;
  }
  const match = mapOf(entry['match']);
  const version = textOf(mapOf(match['proxy'])['proxyVersion']);
  if (version.length > MAX_VERSION) {
    findings.warn(`Envoy filter: proxyVersion match exceeds ${MAX_VERSION} characters and will be ignored`);
  } else {
    const problem = version === '' ? undefined : problemOfExpression(version);
    if (problem !== undefined) {
      error(`invalid regex for proxy version, [${problem}]`);
      return;
    }
  }
  if (!checkMatch(applyTo, match, findings)) return;
  if (value === undefined) return;
  const { name: given } = value;
  if (given !== null && !['string', 'undefined'].includes(typeof given)) {
    const type = Array.isArray(given) ? 'array' : typeof given === 'boolean' ? 'bool' : typeof given;
    error(`json: cannot unmarshal ${type} into Go value of type string`);
    return;
  }
  for (const name of untyped(applyTo, value)) {
    findings.warn(`using deprecated types by name without typed_config; ${name}`);
  }
}

function missingPart(
  applyTo: string,
  patch: Json | undefined,
  operation: string,
  value: Json | undefined,
): string | undefined {
  if (applyTo === 'INVALID') return 'missing applyTo';
  if (patch === undefined) return 'missing patch';
  if (operation === 'INVALID') return 'missing patch operation';
  return operation !== 'REMOVE' && value === undefined ? 'missing patch value for non-remove operation' : undefined;
}

/** False when the match is wrong in a way that ends the look at this patch. */
function checkMatch(applyTo: string, match: Json, findings: Findings): boolean {
  const error = (message: string): void => findings.error(`Envoy filter: ${message}`);
  const [listener, route, cluster] = ['listener', 'routeConfiguration', 'cluster'].map((kind) => match[kind]);
  const isTyped = [listener, route, cluster, match['waypoint']].some((kind) => kind !== undefined);
  if (!isTyped) return true;
  if (LISTENER_KINDS.has(applyTo)) {
    if (listener === undefined) {
      error('applyTo for listener class objects cannot have non listener match');
      return false;
    }
    return checkListenerMatch(applyTo, mapOf(listener), findings);
  }
  if (ROUTE_KINDS.has(applyTo) && route === undefined) {
    error('applyTo for http route class objects cannot have non route configuration match');
  }
  if (applyTo === 'CLUSTER' && cluster === undefined) {
    error('applyTo for cluster class objects cannot have non cluster match');
  }
  return true;
}

function checkListenerMatch(applyTo: string, listener: Json, findings: Findings): boolean {
  const filter = optionalMap(mapOf(listener['filterChain'])['filter']);
  if (filter === undefined) return true;
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') {
    findings.warn(`Envoy filter: filter match has no effect when used with ${applyTo}`);
  }
  const name = textOf(filter['name']);
  const sub = optionalMap(filter['subFilter']);
  const problem = problemOfFilter(applyTo, name, sub);
  if (problem !== undefined) {
    findings.error(`Envoy filter: ${problem}`);
    return false;
  }
  for (const old of [name, textOf(sub?.['name'])]) {
    const current = Object.hasOwn(RENAMED, old) ? RENAMED[old] : undefined;
    if (current === undefined) continue;
    findings.warn(`using deprecated filter name ${quoted(old)}; use ${quoted(current)} instead`);
  }
  return true;
}

function problemOfFilter(applyTo: string, name: string, sub: Json | undefined): string | undefined {
  if (name === '') return 'filter match has no name to match on';
  if (sub === undefined) return undefined;
  if (applyTo !== 'HTTP_FILTER') return 'subfilter match can be used with applyTo HTTP_FILTER only';
  if (name !== CONNECTION_MANAGER && name !== 'envoy.http_connection_manager') {
    return `subfilter match requires filter match with ${CONNECTION_MANAGER}`;
  }
  return textOf(sub['name']) === '' ? 'subfilter match has no name to match on' : undefined;
}

/** Names of extensions that rely on their name alone; one text for all of them. */
function untyped(applyTo: string, value: Json): string[] {
  const parts = [
    ...(EXTENSIONS.has(applyTo) ? [value] : []),
    ...['transport_socket', 'transportSocket', 'cluster_type', 'clusterType'].map((field) => optionalMap(value[field])),
  ].filter((part) => part !== undefined);
  const names = parts
    .filter((part) =>
      ['typed_config', 'typedConfig', 'config_discovery', 'configDiscovery'].every(
        (field) => part[field] === undefined,
      ),
    )
    .map((part) => textOf(part['name']));
  return names.length === 0 ? [] : [names.join(', ')];
}
