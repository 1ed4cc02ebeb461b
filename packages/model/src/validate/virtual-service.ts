// Rules for VirtualServices (spec control-plane 10.2). Pure.
import { RE2JS } from 're2js';
import { coversHost } from '../translate/waypoint-config/hosts.ts';
import { isHeaderName } from './authentication.ts';
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import { isDnsLabel, problemOfHost, problemOfPort } from './names.ts';
import { checkExportTo } from './selection.ts';

const CLAIMS = '@request.auth.claims';
const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** Checks a VirtualService. */
export function checkVirtualService(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  const hosts = textsOf(spec['hosts']);
  const gateways = textsOf(spec['gateways']);
  const isOnMesh = gateways.length === 0 || gateways.includes('mesh');
  const isDelegate = hosts.length === 0;
  if (isDelegate) checkDelegate(spec, gateways, findings);
  checkHosts(hosts, isOnMesh, findings);
  const [http, tls, tcp] = [mapsOf(spec['http']), mapsOf(spec['tls']), mapsOf(spec['tcp'])];
  if (http.length + tls.length + tcp.length === 0)
    findings.error('http, tcp or tls must be provided in virtual service');
  for (const rule of http) checkHttpRule(rule, gateways, isDelegate, findings);
  for (const rule of tls) checkTlsRule(rule, hosts, findings);
  for (const rule of tcp) checkDestinations(rule, findings);
  warnAboutUnreachable(http, findings);
  checkExportTo(spec['exportTo'], textOf(metadata['namespace']), false, findings);
}

function checkDelegate(spec: Json, gateways: readonly string[], findings: Findings): void {
  if (gateways.length > 0) findings.error('delegate virtual service must have no gateways specified');
  if (listOf(spec['tls']).length > 0) findings.error('delegate virtual service must have no tls route specified');
  if (listOf(spec['tcp']).length > 0) findings.error('delegate virtual service must have no tcp route specified');
}

function checkHosts(hosts: readonly string[], isOnMesh: boolean, findings: Findings): void {
  for (const [index, host] of hosts.entries()) {
    if (host === '*') {
      if (isOnMesh) findings.error('wildcard host * is not allowed for virtual services bound to the mesh gateway');
      continue;
    }
    const problem = problemOfHost(host, true);
    if (problem !== undefined) findings.error(problem);
    const twin = hosts
      .slice(0, index)
      .find((other) => other === host || coversHost(other, host) || coversHost(host, other));
    if (twin !== undefined) findings.error(`duplicate hosts in virtual service: ${twin} & ${host}`);
  }
}

function checkHttpRule(rule: Json, gateways: readonly string[], isDelegate: boolean, findings: Findings): void {
  const has = (field: string): boolean =>
    Array.isArray(rule[field]) ? listOf(rule[field]).length > 0 : rule[field] !== undefined && rule[field] !== null;
  if (has('delegate')) {
    const name = textOf(rule['name']);
    if (isDelegate) findings.error('delegate HTTP route cannot contain delegate');
    for (const field of ['route', 'redirect', 'directResponse']) {
      if (has(field)) findings.error(`root HTTP route ${name} must not specify ${field}`);
    }
  } else checkActions(has, findings);
  if (has('mirror') && has('mirrors')) findings.error('HTTP route cannot contain both mirror and mirrors');
  if (has('mirrorPercent')) findings.warn('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead');
  for (const match of mapsOf(rule['match'])) checkMatch(match, gateways, findings);
  checkDestinations(rule, findings);
  for (const mirror of [
    optionalMap(rule['mirror']),
    ...mapsOf(rule['mirrors']).map((m) => optionalMap(m['destination'])),
  ]) {
    if (mirror !== undefined) checkDestination(mirror, findings);
  }
  checkHeaderNames(mapOf(rule['headers']), findings);
  checkRetries(mapOf(rule['retries']), findings);
  const { status } = mapOf(rule['directResponse']);
  if (status !== undefined && !(numberOf(status) >= 200 && numberOf(status) <= 600)) {
    findings.error(`HTTP status ${numberOf(status)} is not in range 200..600`);
  }
}

function checkActions(has: (field: string) => boolean, findings: Findings): void {
  const name: Readonly<Record<string, string>> = { directResponse: 'direct_response' };
  const both = (a: string, b: string): void => {
    if (has(a) && has(b)) findings.error(`HTTP route cannot contain both ${a} and ${name[b] ?? b}`);
  };
  both('route', 'redirect');
  both('route', 'directResponse');
  both('redirect', 'directResponse');
  for (const field of ['fault', 'rewrite']) {
    both(field, 'redirect');
    both(field, 'directResponse');
  }
  if (!['route', 'redirect', 'directResponse'].some(has))
    findings.error('HTTP route, redirect or direct_response is required');
}

function checkMatch(match: Json, gateways: readonly string[], findings: Findings): void {
  const check = (name: string, value: unknown, needsPrefix: boolean): void => {
    const { prefix, regex } = mapOf(value);
    if (prefix === '' && needsPrefix) findings.error(`"${name}": prefix string match should not be empty`);
    if (typeof regex === 'string') checkRegex(name, regex, findings);
  };
  for (const field of ['uri', 'scheme', 'method', 'authority']) check(field, match[field], field !== 'uri');
  for (const field of ['headers', 'withoutHeaders']) {
    for (const [name, value] of Object.entries(mapOf(match[field]))) {
      if (name.startsWith(CLAIMS)) {
        if (gateways.every((gateway) => gateway === 'mesh')) {
          findings.error(
            `JWT claim based routing (key: ${name}) is only supported for gateway, found no gateways: [${gateways.join(' ')}]`,
          );
        }
      } else if (!isHeaderName(name)) findings.error(`header name "${name}" is not a valid header name`);
      check(field, value, true);
    }
  }
  for (const value of Object.values(mapOf(match['queryParams']))) check('queryParams', value, true);
  if (match['port'] !== undefined && numberOf(match['port']) !== 0) {
    const problem = problemOfPort(numberOf(match['port']));
    if (problem !== undefined) findings.error(problem);
  }
}

const RE2_HINT = 'Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)';

function checkRegex(name: string, regex: string, findings: Findings): void {
  try {
    RE2JS.compile(regex);
  } catch (error) {
    findings.error(`"${name}": ${error instanceof Error ? error.message : 'error parsing regexp'}; ${RE2_HINT}`);
  }
}

function checkDestinations(rule: Json, findings: Findings): void {
  const route = mapsOf(rule['route']);
  let total = 0;
  for (const entry of route) {
    const weight = numberOf(entry['weight']);
    if (weight < 0) findings.error(`weight ${weight} < 0`);
    total += weight;
    checkHeaderNames(mapOf(entry['headers']), findings);
    const destination = optionalMap(entry['destination']);
    if (destination === undefined) findings.error('destination is required');
    else checkDestination(destination, findings);
  }
  if (route.length > 1 && total === 0) findings.error('total destination weight = 0');
}

function checkDestination(destination: Json, findings: Findings): void {
  const host = textOf(destination['host']);
  if (host === '*') findings.error('invalid destination host *');
  else {
    const problem = problemOfHost(host, true);
    if (problem !== undefined) findings.error(problem);
  }
  const subset = textOf(destination['subset']);
  if (subset !== '' && !isDnsLabel(subset)) findings.error(`subset name is invalid: ${subset}`);
  const port = optionalMap(destination['port']);
  const problem = port && problemOfPort(numberOf(port['number']));
  if (problem !== undefined) findings.error(problem);
}

function checkHeaderNames(headers: Json, findings: Findings): void {
  for (const part of ['request', 'response']) {
    const changes = mapOf(headers[part]);
    const names = [
      ...Object.keys(mapOf(changes['set'])),
      ...Object.keys(mapOf(changes['add'])),
      ...textsOf(changes['remove']),
    ];
    for (const name of names) {
      if (name === '') findings.error('header name cannot be empty');
      else if (!isHeaderName(name.startsWith(':') ? name.slice(1) : name)) {
        findings.error(`header name "${name}" is not a valid header name`);
      }
    }
  }
}

function checkRetries(retries: Json, findings: Findings): void {
  if (numberOf(retries['attempts']) < 0) findings.error('attempts cannot be negative');
  for (const part of textOf(retries['retryOn']).split(',')) {
    const policy = part.trim();
    const code = Number(policy);
    const isCode = policy.length === 3 && Number.isInteger(code) && code >= 100 && code < 600;
    if (policy !== '' && !RETRY_ON.has(policy) && !isCode) findings.error(`"${policy}" is not a valid retryOn policy`);
  }
}

function checkTlsRule(rule: Json, hosts: readonly string[], findings: Findings): void {
  const matches = mapsOf(rule['match']);
  if (matches.length === 0) findings.error('TLS route must have at least one match condition');
  for (const match of matches) {
    const names = textsOf(match['sniHosts']);
    if (names.length === 0) findings.error('TLS match must have at least one SNI host');
    for (const name of names) {
      const problem = name === '*' ? undefined : problemOfHost(name, true);
      if (problem !== undefined) findings.error(problem);
      else if (!hosts.some((host) => host === '*' || coversHost(host, name))) {
        findings.error(
          `SNI host "${name}" is not a compatible subset of any of the virtual service hosts: [${hosts.join(', ')}]`,
        );
      }
    }
  }
  checkDestinations(rule, findings);
}

function warnAboutUnreachable(rules: readonly Json[], findings: Findings): void {
  const catchAll = rules.findIndex((rule) => listOf(rule['match']).length === 0);
  if (catchAll < 0) return;
  for (const [index, rule] of rules.entries()) {
    if (index <= catchAll) continue;
    const name = textOf(rule['name']);
    const label = name === '' ? `#${index}` : `"${name}"`;
    findings.warn(`virtualService rule ${label} not used (route without matches defined before)`);
  }
}
