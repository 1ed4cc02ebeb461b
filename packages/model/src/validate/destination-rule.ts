// Rules for DestinationRules (spec control-plane 10.2). Pure.
import { goDurationMs } from '../translate/waypoint-config/duration.ts';
import { type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf } from './json.ts';
import { isDnsLabel, problemOfHost, problemOfPort } from './names.ts';
import { checkExportTo, checkSelector } from './selection.ts';

const MAX_TABLE = 5_000_011;

/** Checks a DestinationRule. */
export function checkDestinationRule(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  const problem = problemOfHost(textOf(spec['host']), true);
  if (problem !== undefined) findings.error(problem);
  checkTrafficPolicy(spec['trafficPolicy'], findings);
  const names = new Set<string>();
  for (const subset of mapsOf(spec['subsets'])) {
    const name = textOf(subset['name']);
    if (names.has(name)) findings.error(`duplicate subset names: ${name}`);
    names.add(name);
    if (!isDnsLabel(name)) findings.error(`subset name is invalid: ${name}`);
    checkTrafficPolicy(subset['trafficPolicy'], findings);
  }
  checkExportTo(spec['exportTo'], textOf(metadata['namespace']), false, findings);
  checkSelector(spec['workloadSelector'], findings.error, findings);
}

function checkTrafficPolicy(value: unknown, findings: Findings): void {
  const policy = optionalMap(value);
  if (policy === undefined) return;
  if (Object.keys(policy).length === 0) {
    findings.error('traffic policy must have at least one field');
    return;
  }
  if (policy['tunnel'] !== undefined && policy['proxyProtocol'] !== undefined) {
    findings.error('tunnel and proxyProtocol must not be set together');
  }
  checkBlocks(policy, findings);
  for (const settings of mapsOf(policy['portLevelSettings'])) {
    const port = optionalMap(settings['port']);
    if (port === undefined) findings.error('portTrafficPolicy must have valid port');
    else {
      const problem = problemOfPort(numberOf(port['number']));
      if (problem !== undefined) findings.error(problem);
    }
    if (Object.keys(settings).every((key) => key === 'port'))
      findings.error('port traffic policy must have at least one field');
    checkBlocks(settings, findings);
  }
}

function checkBlocks(blocks: Json, findings: Findings): void {
  const pool = optionalMap(blocks['connectionPool']);
  if (pool !== undefined) checkPool(pool, findings);
  const balancer = optionalMap(blocks['loadBalancer']);
  if (balancer !== undefined) checkBalancer(balancer, findings);
  const outlier = optionalMap(blocks['outlierDetection']);
  if (outlier !== undefined) checkOutlier(outlier, findings);
  const tls = optionalMap(blocks['tls']);
  if (tls !== undefined) checkTls(tls, findings);
}

const COUNTS: readonly (readonly [part: string, field: string, name: string])[] = [
  ['tcp', 'maxConnections', 'max connections'],
  ['http', 'http1MaxPendingRequests', 'max pending requests'],
  ['http', 'http2MaxRequests', 'max requests'],
  ['http', 'maxRequestsPerConnection', 'max requests per connection'],
  ['http', 'maxRetries', 'max retries'],
  ['http', 'maxConcurrentStreams', 'max concurrent streams'],
];

function checkPool(pool: Json, findings: Findings): void {
  if (pool['tcp'] === undefined && pool['http'] === undefined) {
    findings.error('connection pool must have at least one field');
    return;
  }
  for (const [part, field, name] of COUNTS) {
    if (numberOf(mapOf(pool[part])[field]) < 0) findings.error(`${name} must be non-negative`);
  }
  const [tcp, http] = [mapOf(pool['tcp']), mapOf(pool['http'])];
  for (const value of [tcp['connectTimeout'], tcp['maxConnectionDuration'], tcp['idleTimeout'], http['idleTimeout']]) {
    checkDuration(value, findings);
  }
  if (http['useClientProtocol'] === true && http['h2UpgradePolicy'] === 'UPGRADE') {
    findings.error('use client protocol must not be true when H2UpgradePolicy is UPGRADE');
  }
}

/** A duration that is there must be at least a millisecond. */
export function checkDuration(value: unknown, findings: Findings): void {
  if (value === undefined || value === null) return;
  if ((goDurationMs(textOf(value)) ?? 0) < 1) findings.error('duration must be greater than 1ms');
}

function checkBalancer(balancer: Json, findings: Findings): void {
  const hash = mapOf(balancer['consistentHash']);
  const maglev = optionalMap(hash['maglev']);
  const size = maglev?.['tableSize'];
  if (size !== undefined) {
    const number = numberOf(size);
    if (number === 0) findings.error('tableSize must be set for maglev');
    else if (number >= MAX_TABLE) findings.error('tableSize must be less than 5000011 for maglev');
    else if (!isPrime(number)) findings.error('tableSize must be a prime number for maglev');
  }
  const cookie = optionalMap(hash['httpCookie']);
  if (cookie !== undefined && textOf(cookie['name']) === '') findings.error('name required for HttpCookie');
  if (balancer['localityLbSetting'] !== undefined && balancer['zoneAwareLbSetting'] !== undefined) {
    findings.error('only one of localityLbSetting and zoneAwareLbSetting can be set');
  }
}

function isPrime(number: number): boolean {
  if (number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}

function checkOutlier(outlier: Json, findings: Findings): void {
  checkDuration(outlier['interval'], findings);
  checkDuration(outlier['baseEjectionTime'], findings);
  if (outlier['consecutiveLocalOriginFailures'] !== undefined && outlier['splitExternalLocalOriginErrors'] !== true) {
    findings.error(
      'outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false',
    );
  }
  for (const [field, name] of [
    ['maxEjectionPercent', 'max ejection percent'],
    ['minHealthPercent', 'min health percent'],
  ] as const) {
    const percent = numberOf(outlier[field]);
    if (percent < 0 || percent > 100) findings.error(`outlier detection ${name}: ${percent} is not in range 0..100`);
  }
}

function checkTls(tls: Json, findings: Findings): void {
  const has = (field: string): boolean => textOf(tls[field]) !== '';
  const hasFiles = has('clientCertificate') || has('privateKey') || has('caCertificates');
  if (has('credentialName') && hasFiles) {
    findings.error('cannot specify client certificates or CA certificate If credentialName is set');
  }
  if (tls['mode'] === 'MUTUAL' && !has('credentialName')) {
    if (!has('clientCertificate')) findings.error('client certificate required for mutual tls');
    if (!has('privateKey')) findings.error('private key required for mutual tls');
  }
}
