/**
 * Global rate limits: a request view -> the question to a rate limit service, and its answer -> go on or 429
 * (spec/waypoint.md 4.5; `envoy.service.ratelimit.v3`). Pure: upstream/ask-rate-limit.ts of the waypoint sends it.
 */
import { create } from '@bufbuild/protobuf';
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponse_Code,
} from '@ambit/proto/rate-limit';
import type { GlobalRateLimit, Policy, PolicyRef } from '@ambit/proto/waypoint';
import { timerMs } from './duration.ts';
import type { HeaderList } from './header-list.ts';
import { isHeaderName, isHeaderValue } from './headers.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import { compileAction } from './rate-limit.ts';
import type { RequestView } from './request-view.ts';

/** Path of the one method. */
export const RATE_LIMIT_PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

/** Upstream's limit of one question. */
const defaultTimeoutMs = 20;

/** One policy. */
export interface GlobalRateCheck {
  readonly config: GlobalRateLimit;
  readonly timeoutMs: number;
  /** The question; undefined when the request lacks an entry of the descriptor, and nothing is asked. */
  ask(request: RequestView): RateLimitRequest | undefined;
}

/** What an answer means. */
export interface GlobalRateVerdict {
  readonly reply: LocalReply | undefined;
  readonly editRequest: (headers: HeaderList) => void;
  readonly editResponse: (headers: HeaderList) => void;
}

/** Compiles a policy; throws ERR_L7_UNSUPPORTED. */
export const compileGlobalRateLimit = (config: GlobalRateLimit): GlobalRateCheck => {
  const entries = config.actions.map((action) => ({
    key: action.key === '' ? (defaultKeys[action.source.case ?? ''] ?? '') : action.key,
    read: compileAction(action),
    isOptional: action.skipIfAbsent,
  }));
  return {
    config,
    timeoutMs: timerMs(config.timeout) ?? defaultTimeoutMs,
    ask: (request) => {
      const found: { key: string; value: string }[] = [];
      for (const { key, read, isOptional } of entries) {
        const value = read(request);
        if (value !== undefined) found.push({ key, value });
        else if (!isOptional) return undefined;
      }
      if (found.length === 0) return undefined;
      return create(RateLimitRequestSchema, { domain: config.domain, descriptors: [{ entries: found }] });
    },
  };
};

/** Keys of entries that name none. */
const defaultKeys: Readonly<Record<string, string>> = {
  remoteAddress: 'remote_address',
  genericValue: 'generic_key',
  headerValueMatch: 'header_match',
  sourcePrincipal: 'source_principal',
  sourceNamespace: 'source_namespace',
  path: 'path',
  method: 'method',
};

/** The policies of a frontend port, or of a rule; those that cannot be compiled deny in the authorizer. */
export const globalRateLimitsOf = (input: {
  readonly refs: readonly PolicyRef[];
  readonly port: number;
  readonly lookup: (key: string) => Policy | undefined;
}): GlobalRateCheck[] =>
  input.refs.flatMap((ref) => {
    const policy = input.lookup(ref.policy);
    if (policy?.body.case !== 'globalRateLimit' || policy.dryRun) return [];
    if (ref.ports.length > 0 && !ref.ports.includes(input.port)) return [];
    try {
      return [compileGlobalRateLimit(policy.body.value)];
    } catch {
      return [];
    }
  });

/** Reads an answer. */
export const globalRateVerdictOf = (config: GlobalRateLimit, response: RateLimitResponse): GlobalRateVerdict => {
  const added = fieldsOf(response.responseHeadersToAdd);
  const rates = config.rateHeaders ? rateFields(response) : [];
  const editRequest = editOf(fieldsOf(response.requestHeadersToAdd));
  if (response.overallCode !== RateLimitResponse_Code.OVER_LIMIT) {
    return { reply: undefined, editRequest, editResponse: editOf([...added, ...rates]) };
  }
  const headers: [string, string][] = [['x-envoy-ratelimited', 'true'], ...added, ...rates];
  const reply = localReply(config.status || 429, response.rawBody, 'request_rate_limited', { flag: 'RL', headers });
  return { reply, editRequest, editResponse: () => undefined };
};

/** The answer when the service gave none: go on, or deny where the policy says so. */
export const globalRateErrorReply = (config: GlobalRateLimit): LocalReply | undefined =>
  config.denyOnError ? localReply(500, '', 'rate_limiter_error', { flag: 'RLSE' }) : undefined;

const fieldsOf = (headers: RateLimitResponse['responseHeadersToAdd']): [string, string][] =>
  headers.flatMap(({ key, value, rawValue }): [string, string][] => {
    const name = key.toLowerCase();
    const text = value === '' ? new TextDecoder('latin1').decode(rawValue) : value;
    return isHeaderName(name) && isHeaderValue(text) ? [[name, text]] : [];
  });

const editOf =
  (fields: readonly (readonly [string, string])[]) =>
  (headers: HeaderList): void => {
    for (const [name, value] of fields) headers.append(name, value);
  };

/** The tightest of the limits that the service told. */
const rateFields = ({ statuses }: RateLimitResponse): [string, string][] => {
  const told = statuses.filter(({ currentLimit }) => currentLimit !== undefined);
  const [tightest] = told.toSorted((one, two) => one.limitRemaining - two.limitRemaining);
  if (tightest === undefined) return [];
  return [
    ['x-ratelimit-limit', String(tightest.currentLimit?.requestsPerUnit ?? 0)],
    ['x-ratelimit-remaining', String(tightest.limitRemaining)],
    ['x-ratelimit-reset', String(tightest.durationUntilReset?.seconds ?? 0n)],
  ];
};
