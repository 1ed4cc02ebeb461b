// Rules for one HTTP route of a VirtualService (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { checkDuration, nanosOf } from './durations.ts';
import { checkHeaderChanges, checkActions } from './http-actions.ts';
import { problemOfCorsName, problemOfMatchName } from './headers.ts';
import { errorsOnly, type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import { isDnsLabel, problemOfPort, problemsOfLabels } from './names.ts';
import { problemOfRegex } from './regex.ts';
import { checkDestination, checkGatewayNames, checkTotal, checkWeight } from './destinations.ts';

const CORS_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*']);

/** Checks a route; in a delegate no other delegate may be named. */
export function checkHttpRoute(route: Json, isDelegate: boolean, findings: Findings): void {
  const { error, warn } = findings;
  checkConflicts(route, isDelegate, findings);
  checkMatches(mapsOf(route['match']), errorsOnly(findings));
  checkHeaderChanges(route['headers'], findings);
  checkCors(optionalMap(route['corsPolicy']), findings);
  checkActions.fault(optionalMap(route['fault']), findings);
  if (route['mirrorPercent'] !== undefined) {
    const percent = numberOf(route['mirrorPercent']);
    if (percent > 100) error(`mirror_percent must have a max value of 100 (it has ${percent})`);
    warn('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead');
  }
  checkPercentage('mirror_percentage', route['mirrorPercentage'], findings);
  checkDestination(route['mirror'], findings);
  for (const mirror of mapsOf(route['mirrors'])) checkMirror(mirror, findings);
  checkActions.redirect(optionalMap(route['redirect']), mapsOf(route['match']), findings);
  checkActions.directResponse(optionalMap(route['directResponse']), findings);
  checkActions.retries(optionalMap(route['retries']), findings);
  checkActions.rewrite(optionalMap(route['rewrite']), findings);
  checkActions.authority(route, findings);
  const entries = mapsOf(route['route']);
  for (const entry of entries) {
    if (optionalMap(entry['destination']) === undefined) error('destination is required');
    checkHeaderChanges(entry['headers'], findings);
    checkDestination(entry['destination'], findings);
    checkWeight(entry, findings);
  }
  checkTotal(entries, findings);
  checkDuration(route['timeout'], findings);
}

function checkMirror(mirror: Json, findings: Findings): void {
  if (optionalMap(mirror['destination']) === undefined) {
    findings.error('destination is required for mirrors');
    return;
  }
  checkDestination(mirror['destination'], findings);
  checkPercentage('mirror percentage', mirror['percentage'], findings);
}

function checkPercentage(name: string, value: unknown, { error }: Findings): void {
  const percent = numberOf(mapOf(value)['value']);
  if (percent > 100) error(`${name} must have a max value of 100 (it has ${percent.toFixed(6)})`);
  if (percent < 0) error(`${name} must have a min value of 0 (it has ${percent.toFixed(6)})`);
}

function checkConflicts(route: Json, isDelegate: boolean, { error }: Findings): void {
  const has = (field: string): boolean => route[field] !== undefined;
  if (!isDelegate && has('delegate')) {
    const name = textOf(route['name']);
    if (has('redirect')) error(`root HTTP route ${name} must not specify redirect`);
    if (has('route')) error(`root HTTP route ${name} must not specify route`);
    return;
  }
  if (has('delegate')) error('delegate HTTP route cannot contain delegate');
  const action = has('redirect') ? 'redirect' : 'direct_response';
  if (has('redirect') || has('directResponse')) {
    if (has('route')) error(`HTTP route cannot contain both route and ${action}`);
    if (has('fault')) error(`HTTP route cannot contain both fault and ${action}`);
    if (has('rewrite')) error(`HTTP route rule cannot contain both rewrite and ${action}`);
    if (has('redirect') && has('directResponse')) {
      error('HTTP route rule cannot contain both direct_response and redirect');
    }
  } else if (!has('route')) error('HTTP route, redirect or direct_response is required');
  if (has('mirror') && has('mirrors')) error('HTTP route cannot contain both mirror and mirrors');
}

function checkMatches(matches: readonly Json[], findings: Findings): void {
  const { error } = findings;
  const tell = (problem: string | undefined): void => {
    if (problem !== undefined) error(problem);
  };
  for (const match of matches) {
    for (const [name, value] of Object.entries(mapOf(match['headers']))) {
      tell(problemOfMatchName(name));
      checkText(mapOf(value), 'headers', true, findings);
    }
    for (const [name, value] of Object.entries(mapOf(match['withoutHeaders']))) {
      tell(problemOfMatchName(name));
      // `*` is no expression here: it asks for presence.
      if (mapOf(value)['regex'] !== '*') checkText(mapOf(value), 'withoutHeaders', true, findings);
    }
    for (const field of ['uri', 'scheme', 'method', 'authority']) {
      checkText(mapOf(match[field]), field, field !== 'uri', findings);
    }
    for (const value of Object.values(mapOf(match['queryParams']))) {
      checkText(mapOf(value), 'queryParams', true, findings);
    }
  }
  for (const match of matches) {
    const port = numberOf(match['port']);
    if (port !== 0) tell(problemOfPort(port));
    for (const label of problemsOfLabels(mapOf(match['sourceLabels']))) error(label);
    checkGatewayNames(textsOf(match['gateways']), findings);
    const namespace = textOf(match['sourceNamespace']);
    if (namespace !== '' && !isDnsLabel(namespace)) error(`sourceNamespace match ${namespace} is invalid`);
  }
}

/** A match on a text; only paths may begin with nothing. */
function checkText(match: Json, where: string, needsPrefix: boolean, { error }: Findings): void {
  if (match['prefix'] === '' && needsPrefix) error(`"${where}": prefix string match should not be empty`);
  const problem = problemOfMatchRegex(match, where);
  if (problem !== undefined) error(problem);
}

function problemOfMatchRegex(match: Json, where: string): string | undefined {
  const { regex } = match;
  if (regex === undefined) return undefined;
  return regex === '' ? `"${where}": regex string match should not be empty` : problemOfRegex(textOf(regex), where);
}

function checkCors(policy: Json | undefined, findings: Findings): void {
  if (policy === undefined) return;
  const { error } = findings;
  for (const origin of mapsOf(policy['allowOrigins'])) {
    const text = textOf(origin['exact'] ?? origin['prefix'] ?? origin['regex']);
    const problem =
      text === ''
        ? `'${text}' is not a valid match type for CORS allow origins`
        : problemOfMatchRegex(origin, 'corsPolicy.allowOrigins');
    if (problem !== undefined) error(problem);
  }
  for (const method of textsOf(policy['allowMethods'])) {
    if (!CORS_METHODS.has(method)) error(`${quoted(method)} is not a supported HTTP method`);
  }
  for (const name of [...textsOf(policy['allowHeaders']), ...textsOf(policy['exposeHeaders'])]) {
    const problem = problemOfCorsName(name);
    if (problem !== undefined) error(problem);
  }
  if (policy['maxAge'] === undefined) return;
  checkDuration(policy['maxAge'], findings);
  if (nanosOf(policy['maxAge']) % 1_000_000_000n > 0n) {
    error('max_age duration is accurate only to seconds precision');
  }
}
