// Rules for traffic policies: pools, load balancing, outliers, TLS, tunnels (spec control-plane 10.2). Called by the rules of
// DestinationRules and Sidecars. Pure.
import { quoted } from '../analyze/go-text.ts';
import { checkDuration, nanosOf } from './durations.ts';
import {
  enumText,
  errorsOnly,
  type Findings,
  type Json,
  listOf,
  mapOf,
  mapsOf,
  numberOf,
  optionalMap,
  textOf,
} from './json.ts';
import { checkLocalitySettings, checkZoneSettings } from './locality.ts';
import { problemOfFqdn, problemOfIp, problemOfPort } from './names.ts';

const MAX_TABLE = 5_000_011;
const FIELDS = [
  'outlierDetection',
  'connectionPool',
  'loadBalancer',
  'tls',
  'portLevelSettings',
  'tunnel',
  'proxyProtocol',
  'retryBudget',
];

/** Checks a traffic policy that may be absent. */
export function checkTrafficPolicy(value: unknown, namespace: string, findings: Findings): void {
  const policy = optionalMap(value);
  if (policy === undefined) return;
  if (FIELDS.every((field) => policy[field] === undefined)) {
    findings.error('traffic policy must have at least one field');
    return;
  }
  if (policy['tunnel'] !== undefined && policy['proxyProtocol'] !== undefined) {
    findings.error('tunnel and proxyProtocol must not be set together');
    return;
  }
  checkBlocks(policy, namespace, findings);
  for (const settings of mapsOf(policy['portLevelSettings'])) checkPortLevel(settings, namespace, findings);
  checkTunnel(optionalMap(policy['tunnel']), findings);
  const version = mapOf(policy['proxyProtocol'])['version'];
  if (typeof version === 'number' && version !== 0 && version !== 1) {
    findings.error(`proxy protocol version is invalid: ${version}`);
  }
}

function checkPortLevel(settings: Json, namespace: string, findings: Findings): void {
  if (optionalMap(settings['port']) === undefined) findings.error('portTrafficPolicy must have valid port');
  if (FIELDS.slice(0, 4).every((field) => settings[field] === undefined)) {
    findings.error('port traffic policy must have at least one field');
  } else checkBlocks(settings, namespace, errorsOnly(findings));
}

function checkBlocks(blocks: Json, namespace: string, findings: Findings): void {
  const outlier = optionalMap(blocks['outlierDetection']);
  checkOutlier(outlier, findings);
  checkConnectionPool(blocks['connectionPool'], findings);
  checkBalancer(optionalMap(blocks['loadBalancer']), outlier !== undefined, findings);
  checkClientTls(optionalMap(blocks['tls']), namespace, findings);
}

function checkTunnel(tunnel: Json | undefined, { error }: Findings): void {
  if (tunnel === undefined) return;
  const [protocol, host] = [textOf(tunnel['protocol']), textOf(tunnel['targetHost'])];
  if (!['', 'CONNECT', 'POST'].includes(protocol)) error('tunnel protocol must be "CONNECT" or "POST"');
  const [fqdn, ip] = [problemOfFqdn(host), problemOfIp(host)];
  if (fqdn !== undefined && ip !== undefined) {
    error(`tunnel target host must be valid FQDN or IP address: ${fqdn}; ${ip}`);
  }
  const port = problemOfPort(numberOf(tunnel['targetPort']));
  if (port !== undefined) error(`tunnel target port is invalid: ${port}`);
}

function checkOutlier(outlier: Json | undefined, findings: Findings): void {
  if (outlier === undefined) return;
  checkDuration(outlier['baseEjectionTime'], findings);
  if (numberOf(outlier['consecutiveErrors']) !== 0) {
    findings.warn(
      'outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead',
    );
  }
  const failures = numberOf(outlier['consecutiveLocalOriginFailures']);
  if (outlier['splitExternalLocalOriginErrors'] !== true && failures > 0) {
    findings.error(
      'outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false',
    );
  }
  checkDuration(outlier['interval'], findings);
  for (const field of ['maxEjectionPercent', 'minHealthPercent']) {
    const percent = numberOf(outlier[field]);
    if (percent < 0 || percent > 100) findings.error(`percentage ${percent} is not in range 0..100`);
  }
}

const HTTP_COUNTS: readonly (readonly [field: string, name: string])[] = [
  ['http1MaxPendingRequests', 'http1 max pending requests'],
  ['http2MaxRequests', 'http2 max requests'],
  ['maxRequestsPerConnection', 'max requests per connection'],
  ['maxRetries', 'max retries'],
];

/** Checks a connection pool that may be absent. */
export function checkConnectionPool(value: unknown, findings: Findings): void {
  const pool = optionalMap(value);
  if (pool === undefined) return;
  const [http, tcp] = [optionalMap(pool['http']), optionalMap(pool['tcp'])];
  if (http === undefined && tcp === undefined) findings.error('connection pool must have at least one field');
  if (http !== undefined) checkHttpPool(http, findings);
  if (tcp === undefined) return;
  if (numberOf(tcp['maxConnections']) < 0) findings.error('max connections must be non-negative');
  checkDuration(tcp['connectTimeout'], findings);
  checkDuration(tcp['maxConnectionDuration'], findings);
  // Zero switches the limit off.
  if (nanosOf(tcp['idleTimeout']) / 1_000_000n !== 0n) checkDuration(tcp['idleTimeout'], findings);
  const keepalive = mapOf(tcp['tcpKeepalive']);
  checkDuration(keepalive['time'], findings);
  checkDuration(keepalive['interval'], findings);
}

function checkHttpPool(http: Json, findings: Findings): void {
  for (const [field, name] of HTTP_COUNTS) {
    if (numberOf(http[field]) < 0) findings.error(`${name} must be non-negative`);
  }
  checkDuration(http['idleTimeout'], findings);
  if (http['h2UpgradePolicy'] === 'UPGRADE' && http['useClientProtocol'] === true) {
    findings.error('use client protocol must not be true when H2UpgradePolicy is UPGRADE');
  }
  if (numberOf(http['maxConcurrentStreams']) < 0) findings.error('max concurrent streams must be non-negative');
  const keepalive = optionalMap(http['http2KeepAlive']);
  for (const field of keepalive === undefined ? [] : ['interval', 'timeout']) {
    if (keepalive?.[field] === undefined) findings.error(`http2 keepalive ${field} is required`);
    else checkDuration(keepalive[field], findings);
  }
}

function checkBalancer(balancer: Json | undefined, hasOutlier: boolean, findings: Findings): void {
  if (balancer === undefined) return;
  const hash = optionalMap(balancer['consistentHash']);
  if (hash !== undefined) checkHash(hash, findings);
  const [locality, zone] = [optionalMap(balancer['localityLbSetting']), optionalMap(balancer['zoneAwareLbSetting'])];
  if (locality !== undefined && zone !== undefined) {
    findings.error('only one of localityLbSetting and zoneAwareLbSetting can be set');
  }
  if (locality !== undefined) checkLocalitySettings(locality, hasOutlier, findings);
  if (zone !== undefined) checkZoneSettings(zone, hasOutlier, findings);
  const warmup = optionalMap(balancer['warmup']);
  if (warmup === undefined) return;
  if (warmup['duration'] === undefined) findings.error('duration is required');
  else checkDuration(warmup['duration'], findings);
  if (numberOf(warmup['minimumPercent']) > 100) {
    findings.error('minimumPercent value should be less than or equal to 100');
  }
  if (warmup['aggression'] !== undefined && numberOf(warmup['aggression']) <= 0) {
    findings.error('aggression should be greater than 0');
  }
}

function checkHash(hash: Json, { error, warn }: Findings): void {
  const cookie = optionalMap(hash['httpCookie']);
  if (cookie !== undefined) {
    if (textOf(cookie['name']) === '') error('name required for HttpCookie');
    const seen = new Set<string>();
    for (const name of mapsOf(cookie['attributes']).map((attribute) => textOf(attribute['name']))) {
      if (name === '') error('cookie attribute name cannot be empty');
      else if (seen.has(name)) error(`duplicate cookie attribute name: ${name}`);
      else seen.add(name);
    }
  }
  const [ring, maglev] = [optionalMap(hash['ringHash']), optionalMap(hash['maglev'])];
  if (numberOf(hash['minimumRingSize']) !== 0) {
    warn("consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead");
    if (ring !== undefined || maglev !== undefined) {
      error('only one of MinimumRingSize or Maglev/Ringhash can be specified');
    }
  }
  if (maglev === undefined) return;
  const size = numberOf(maglev['tableSize']);
  if (size === 0) error('tableSize must be set for maglev');
  if (size >= MAX_TABLE) error('tableSize must be less than 5000011 for maglev');
  if (!isPrime(size)) error('tableSize must be a prime number for maglev');
}

/** As the proxy counts: 1 is one of them. Sizes beyond what is allowed are not worth the search. */
function isPrime(number: number): boolean {
  if (number !== 0 && number < 4) return true;
  if (number % 2 === 0) return false;
  const limit = Math.min(Math.sqrt(number), MAX_TABLE);
  for (let divisor = 3; divisor <= limit; divisor += 2) if (number % divisor === 0) return false;
  return true;
}

const CONFIG_MAP = 'configmap://';

function checkClientTls(tls: Json | undefined, namespace: string, { error }: Findings): void {
  if (tls === undefined) return;
  const has = (field: string): boolean => textOf(tls[field]) !== '';
  const mode = enumText(tls['mode'], 'DISABLE');
  const credential = textOf(tls['credentialName']);
  if (credential.startsWith(CONFIG_MAP)) checkConfigMap(credential, namespace, error);
  if (tls['insecureSkipVerify'] === true) {
    const hasNames = listOf(tls['subjectAltNames']).length > 0;
    if (mode === 'SIMPLE' && (has('caCertificates') || has('credentialName') || hasNames)) {
      error('cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true');
    }
    if (mode === 'MUTUAL' && (has('caCertificates') || hasNames)) {
      error('cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true');
    }
  }
  if ((mode === 'SIMPLE' || mode === 'MUTUAL') && credential !== '') {
    if (['clientCertificate', 'caCertificates', 'privateKey', 'caCrl'].some(has)) {
      error('cannot specify client certificates or CA certificate or CA CRL If credentialName is set');
    }
    return;
  }
  if (mode !== 'MUTUAL') return;
  if (!has('clientCertificate')) error('client certificate required for mutual tls');
  if (!has('privateKey')) error('private key required for mutual tls');
}

function checkConfigMap(credential: string, own: string, error: (message: string) => void): void {
  const [namespace = '', name] = credential.slice(CONFIG_MAP.length).split('/');
  const prefix = 'invalid configmap:// credentialName:';
  const invalid = `${prefix} invalid resource name ${quoted(credential)}. Expected`;
  if (name === undefined) error(`${invalid} namespace and name`);
  else if (namespace === '') error(`${invalid} namespace`);
  else if (name === '') error(`${invalid} name`);
  else if (namespace !== own) error(`${prefix} namespace must match the configuration namespace ${quoted(own)}`);
}
