// Rules for what an HTTP route does: headers, faults, redirects, direct responses, retries, rewrites (spec control-plane 10.2). Called
// by http-route.ts. Pure.
import { quoted } from '../analyze/go-text.ts';
import { grpcStatuses } from '../grpc-statuses.ts';
import { checkDuration } from './durations.ts';
import { isAuthority, problemOfHeaderValue, problemOfOperationName, problemOfRequestName } from './headers.ts';
import { type Findings, type Json, mapOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import { problemOfPort } from './names.ts';
import { problemOfRegex } from './regex.ts';

/** Header operations that may be absent. */
export function checkHeaderChanges(value: unknown, { error }: Findings): void {
  const headers = mapOf(value);
  for (const part of ['request', 'response']) {
    const changes = mapOf(headers[part]);
    const problemOfName = part === 'request' ? problemOfRequestName : problemOfOperationName;
    for (const operation of ['add', 'set']) {
      for (const [name, text] of Object.entries(mapOf(changes[operation]))) {
        for (const problem of [problemOfName(name), problemOfHeaderValue(textOf(text))]) {
          if (problem !== undefined) error(problem);
        }
      }
    }
    for (const name of textsOf(changes['remove'])) {
      const problem = problemOfOperationName(name);
      if (problem !== undefined) error(problem);
    }
  }
}

function checkShare(value: unknown, { error }: Findings): void {
  const share = numberOf(mapOf(value)['value']);
  if (share >= 0 && share <= 100 && !(share > 0 && share < 0.0001)) return;
  error(`percentage ${share} is neither 0.0, nor in range [0.0001, 100.0]`);
}

function checkStatus(status: number, { error }: Findings): void {
  if (status < 200 || status > 600) error(`HTTP status ${status} is not in range 200-599`);
}

function checkFault(fault: Json | undefined, findings: Findings): void {
  if (fault === undefined) return;
  const [abort, delay] = [optionalMap(fault['abort']), optionalMap(fault['delay'])];
  if (abort === undefined && delay === undefined) {
    findings.error('HTTP fault injection must have an abort and/or a delay');
  }
  if (abort !== undefined) {
    checkShare(abort['percentage'], findings);
    const grpc = textOf(abort['grpcStatus']);
    if (abort['grpcStatus'] !== undefined && !grpcStatuses.includes(grpc)) {
      findings.error(
        `gRPC status ${quoted(grpc)} is not supported. See https://github.com/grpc/grpc/blob/master/doc/statuscodes.md for a list of supported codes, for example 'NOT_FOUND'`,
      );
    }
    if (abort['http2Error'] !== undefined) findings.error('HTTP/2 abort fault injection not supported yet');
    if (abort['httpStatus'] !== undefined) checkStatus(numberOf(abort['httpStatus']), findings);
  }
  if (delay === undefined) return;
  checkShare(delay['percentage'], findings);
  checkDuration(delay['fixedDelay'], findings);
  checkDuration(delay['exponentialDelay'], findings);
  if (delay['exponentialDelay'] !== undefined) findings.error('exponentialDelay not supported yet');
}

function problemOfRedirect(redirect: Json, matches: readonly Json[]): string | undefined {
  const [uri, rewrite, authority] = ['uri', 'prefixRewrite', 'authority'].map((field) => textOf(redirect[field]));
  const scheme = textOf(redirect['scheme']);
  const hasPort = redirect['port'] !== undefined || redirect['derivePort'] !== undefined;
  if (uri !== '' && rewrite !== '') return 'redirect may only specify one of uri or prefix_rewrite';
  const paths = matches.map((match) => optionalMap(match['uri'])).filter((path) => path !== undefined);
  if (rewrite !== '' && paths.some((path) => path['prefix'] === undefined)) {
    return 'redirect prefix_rewrite requires all URI matches to use prefix match type';
  }
  if ([uri, rewrite, authority, scheme].every((text) => text === '') && !hasPort) {
    return 'redirect must specify URI, authority, scheme, or port';
  }
  const code = numberOf(redirect['redirectCode']);
  if (code !== 0 && (code < 300 || code > 399)) return `${code} is not a valid redirect code, must be 3xx`;
  if (!['', 'http', 'https'].includes(scheme)) return 'invalid redirect scheme, must be "http" or "https"';
  const port = numberOf(redirect['port']);
  return port > 0 ? problemOfPort(port) : undefined;
}

const KILOBYTE = 1024;

function checkDirectResponse(response: Json | undefined, findings: Findings): void {
  if (response === undefined) return;
  const body = mapOf(response['body']);
  const size =
    body['bytes'] === undefined
      ? Buffer.byteLength(textOf(body['string']))
      : Buffer.byteLength(textOf(body['bytes']), 'base64');
  const text = 'large direct_responses may impact control plane performance';
  if (size > KILOBYTE * KILOBYTE) findings.error(`${text}, must be less than 1MB`);
  else if (size > 100 * KILOBYTE) findings.warn(text);
  checkStatus(numberOf(response['status']), findings);
}

const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);
/** Registered statuses, as first and last of each run. */
const STATUSES: readonly (readonly [first: number, last: number])[] = [
  [100, 103],
  [200, 208],
  [226, 226],
  [300, 305],
  [307, 308],
  [400, 418],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 508],
  [510, 511],
];

function isRetryPolicy(policy: string): boolean {
  const isNumber = policy !== '' && Array.from(policy).every((c) => c >= '0' && c <= '9');
  const code = isNumber ? Number(policy) : 0;
  return RETRY_ON.has(policy) || STATUSES.some(([first, last]) => code >= first && code <= last);
}

function checkRetries(retries: Json | undefined, findings: Findings): void {
  if (retries === undefined) return;
  const { error } = findings;
  const [attempts, retryOn] = [numberOf(retries['attempts']), textOf(retries['retryOn'])];
  if (attempts < 0) error('attempts cannot be negative');
  const isSet = retries['perTryTimeout'] !== undefined || retryOn !== '';
  if (attempts === 0 && (isSet || retries['retryRemoteLocalities'] !== undefined)) {
    error('http retry policy configured when attempts are set to 0 (disabled)');
  }
  checkDuration(retries['perTryTimeout'], findings);
  for (const policy of retryOn === '' ? [] : retryOn.split(',')) {
    if (!isRetryPolicy(policy)) error(`${quoted(policy)} is not a valid retryOn policy`);
  }
  checkDuration(retries['backoff'], findings);
}

function checkRewrite(rewrite: Json | undefined, { error }: Findings): void {
  if (rewrite === undefined) return;
  const uri = textOf(rewrite['uri']);
  const regex = optionalMap(rewrite['uriRegexRewrite']);
  if (uri !== '' && regex !== undefined) {
    error('rewrite may only contain one of URI or UriRegexRewrite');
    return;
  }
  if (uri === '' && regex === undefined && textOf(rewrite['authority']) === '') {
    error(
      'rewrite must specify at least one of URI, UriRegexRewrite, or authority. Only one of URI or UriRegexRewrite may be specified',
    );
    return;
  }
  if (regex === undefined) return;
  const [match, text] = [textOf(regex['match']), textOf(regex['rewrite'])];
  const problem =
    match === '' || text === ''
      ? 'UriRegexRewrite requires both Rewrite and Match fields to be specified'
      : problemOfRegex(match, 'HTTPRewrite.UriRegexRewrite.Match');
  if (problem !== undefined) error(`UriRegexRewrite has errors\n${problem}`);
}

/** The authority may be written in one place only. */
function checkAuthority(route: Json, { error }: Findings): void {
  let current = textOf(mapOf(route['rewrite'])['authority']);
  const request = mapOf(mapOf(route['headers'])['request']);
  for (const operation of ['set', 'add']) {
    for (const [name, value] of Object.entries(mapOf(request[operation]))) {
      if (!isAuthority(name)) continue;
      if (current !== '') {
        error(
          `authority header cannot be set multiple times: have ${quoted(current)}, attempting to set ${quoted(textOf(value))}`,
        );
        return;
      }
      current = textOf(value);
    }
  }
}

/** One check per action; each takes the action, which may be absent. */
export const checkActions = {
  fault: checkFault,
  redirect: (redirect: Json | undefined, matches: readonly Json[], { error }: Findings): void => {
    const problem = redirect && problemOfRedirect(redirect, matches);
    if (problem !== undefined) error(problem);
  },
  directResponse: checkDirectResponse,
  retries: checkRetries,
  rewrite: checkRewrite,
  authority: checkAuthority,
} as const;
