// What a VirtualService's HTTP rule does to requests besides choosing a destination: headers, rewrites, time limits, retries,
// faults, mirrors, CORS (spec waypoint 3.7, 3.9, 5.7). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HeaderOpsSchema, HttpRouteSchema, RewriteSchema, StringMatchSchema } from '@ambit/proto/waypoint';
import type {
  VirtualServiceDestination,
  VirtualServiceHttpMatch,
  VirtualServiceHttpRule,
  VirtualServiceTextMatch,
} from '@ambit/resources';
import { grpcStatuses } from '../../grpc-statuses.ts';
import { isDecimal } from '../../ip.ts';
import { durationOf, goDurationMs } from './duration.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type HttpRouteInit = Init<MessageInitShape<typeof HttpRouteSchema>>;
type Rewrite = Init<MessageInitShape<typeof RewriteSchema>>;
type HeaderOps = Init<MessageInitShape<typeof HeaderOpsSchema>>;
type Rule = VirtualServiceHttpRule;

const MILLION = 1_000_000;
const DEFAULT_RETRY_ON = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'];
const HOST_HEADERS = new Set(['host', ':authority']);

/** Header changes and the host that they set. */
export function headersOf(headers: Rule['headers']): {
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  readonly rewrite?: Rewrite;
} {
  const host = Object.entries(headers?.request?.set ?? {}).find(([name]) => HOST_HEADERS.has(name.toLowerCase()))?.[1];
  const request = changesOf(headers?.request);
  const response = changesOf(headers?.response);
  return {
    ...(request && { requestHeaders: request }),
    ...(response && { responseHeaders: response }),
    ...(host !== undefined && { rewrite: { host } }),
  };
}

function changesOf(changes: NonNullable<Rule['headers']>['request']): HeaderOps | undefined {
  if (changes === undefined) return undefined;
  // Pseudo headers other than the host cannot be changed.
  const plain = (record: Readonly<Record<string, string>> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(record)
        .map(([name, value]): [string, string] => [name.toLowerCase(), value])
        .filter(([name]) => !name.startsWith(':') && !HOST_HEADERS.has(name)),
    );
  return {
    set: plain(changes.set),
    add: plain(changes.add),
    remove: (changes.remove ?? []).map((name) => name.toLowerCase()),
  };
}

/** Headers of the rule and the rewrite of host and path; a prefix match rewrites the prefix, other matches the whole path. */
export function pathChangesOf(
  rule: Rule,
  match: VirtualServiceHttpMatch,
): Pick<HttpRouteInit, 'requestHeaders' | 'responseHeaders' | 'rewrite'> {
  const headers = headersOf(rule.headers);
  const { uri, authority, uriRegexRewrite } = rule.rewrite ?? {};
  const isWhole = match.uri?.exact !== undefined || match.uri?.regex !== undefined;
  const rewrite: Rewrite = {
    ...headers.rewrite,
    ...(authority !== undefined && { host: authority }),
    ...(uri !== undefined && { path: { case: isWhole ? 'full' : 'prefix', value: uri } }),
    ...(uriRegexRewrite && {
      path: {
        case: 'regex',
        value: { pattern: uriRegexRewrite.match ?? '', substitution: uriRegexRewrite.rewrite ?? '' },
      },
    }),
  };
  return { ...headers, ...(Object.keys(rewrite).length > 0 && { rewrite }) };
}

/** Time limits, retries, faults, mirrors and CORS. */
export function operationsOf(
  rule: Rule,
  keyOf: (destination: VirtualServiceDestination) => string,
): Pick<HttpRouteInit, 'timeout' | 'timeoutSet' | 'retry' | 'fault' | 'mirrors' | 'cors'> {
  const timeoutMs = goDurationMs(rule.timeout);
  const mirrors = mirrorsOf(rule, keyOf);
  return {
    ...(timeoutMs !== undefined && { timeout: durationOf(timeoutMs), timeoutSet: true }),
    ...(rule.retries && { retry: retryOf(rule.retries) }),
    ...(rule.fault && { fault: faultOf(rule.fault) }),
    ...(mirrors.length > 0 && { mirrors }),
    ...(rule.corsPolicy && { cors: corsOf(rule.corsPolicy) }),
  };
}

function retryOf(retries: NonNullable<Rule['retries']>): NonNullable<HttpRouteInit['retry']> {
  const named = (retries.retryOn ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const codes = named.filter((part) => isDecimal(part, 3)).map(Number);
  const conditions = named.filter((part) => !isDecimal(part, 3));
  const withCodes =
    codes.length > 0 && !conditions.includes('retriable-status-codes')
      ? [...conditions, 'retriable-status-codes']
      : conditions;
  const perTryMs = goDurationMs(retries.perTryTimeout);
  const baseMs = goDurationMs(retries.backoff);
  return {
    attempts: retries.attempts ?? 0,
    retryOn: named.length === 0 ? DEFAULT_RETRY_ON : withCodes,
    codes,
    ignorePrevious: retries.retryIgnorePreviousHosts ?? true,
    remoteLocalities: retries.retryRemoteLocalities ?? false,
    ...(perTryMs !== undefined && { perTry: durationOf(perTryMs) }),
    ...(baseMs !== undefined && { base: durationOf(baseMs) }),
  };
}

function faultOf({ delay, abort }: NonNullable<Rule['fault']>): NonNullable<HttpRouteInit['fault']> {
  const delayMs = goDurationMs(delay?.fixedDelay);
  const grpc = grpcStatuses.indexOf(abort?.grpcStatus ?? '');
  return {
    ...(delayMs !== undefined && { delay: durationOf(delayMs) }),
    // Without a share a fault never happens, as upstream has it.
    delayPpm: shareOf(delay?.percentage?.value ?? delay?.percent ?? 0),
    abortHttp: abort?.httpStatus ?? 0,
    abortGrpc: Math.max(grpc, 0),
    abortPpm: shareOf(abort?.percentage?.value ?? 0),
  };
}

/** Percent -> parts per million. */
const shareOf = (percent: number): number => Math.round(Math.min(Math.max(percent, 0), 100) * (MILLION / 100));

function mirrorsOf(
  rule: Rule,
  keyOf: (destination: VirtualServiceDestination) => string,
): NonNullable<HttpRouteInit['mirrors']> {
  const single = { destination: rule.mirror, percent: rule.mirrorPercentage?.value ?? rule.mirrorPercent ?? 100 };
  const several = (rule.mirrors ?? []).map(({ destination, percentage }) => ({
    destination,
    percent: percentage?.value ?? 100,
  }));
  return (rule.mirror === undefined ? several : [single, ...several]).flatMap(({ destination, percent }) =>
    destination === undefined || percent <= 0
      ? []
      : [{ backend: keyOf(destination), numerator: shareOf(percent), denominator: MILLION, keepHost: true }],
  );
}

function corsOf(policy: NonNullable<Rule['corsPolicy']>): NonNullable<HttpRouteInit['cors']> {
  const origins = [
    ...(policy.allowOrigins ?? []).map(originOf),
    ...(policy.allowOrigin ?? []).map((exact) => originOf(exact === '*' ? { regex: '.*' } : { exact })),
  ];
  const maxAgeMs = goDurationMs(policy.maxAge);
  return {
    origins,
    methods: [...(policy.allowMethods ?? [])],
    headers: [...(policy.allowHeaders ?? [])],
    expose: [...(policy.exposeHeaders ?? [])],
    credentials: policy.allowCredentials ?? false,
    answerUnmatched: policy.unmatchedPreflights === 'IGNORE',
    ...(maxAgeMs !== undefined && { maxAge: durationOf(maxAgeMs) }),
  };
}

function originOf({ exact, prefix, regex }: VirtualServiceTextMatch): Init<MessageInitShape<typeof StringMatchSchema>> {
  if (exact !== undefined) return { m: { case: 'exact', value: exact } };
  if (prefix !== undefined) return { m: { case: 'prefix', value: prefix } };
  return { m: { case: 'regex', value: regex ?? '' } };
}
