/**
 * Local rate limits: a token bucket for all requests, and one per distinct value of descriptors (spec/waypoint.md 4.5).
 * In: a policy, request views and the time. Out: undefined, or the 429. The buckets (rate-limit/buckets.ts) are the only state; all
 * data threads share them. Data thread.
 */
import type { Descriptor, LocalRateLimit, RateAction } from '@ambit/proto/waypoint';
import { claimValues } from './authorize/claims.ts';
import { durationMs } from './duration.ts';
import { L7Error } from './errors.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import { compileStringMatch } from './match/string-match.ts';
import { type BucketSize, createTokenBuckets, type TokenBuckets } from './rate-limit/buckets.ts';
import type { RequestView } from './request-view.ts';

/** What the buckets said about one request. */
export interface RateVerdict {
  /** The answer when one of them was empty. */
  readonly reply: LocalReply | undefined;
  /** Fields that tell the client how much is left; empty unless the policy wants them. */
  readonly fields: readonly (readonly [string, string])[];
}

/** Counts the requests of one policy. */
export interface RateLimiter {
  /** Takes a token of every bucket that the request belongs to. */
  limit(request: RequestView, nowMs: number, random: () => number): RateVerdict;
}

const passed: RateVerdict = Object.freeze({ reply: undefined, fields: [] });

/** Where the buckets of a policy are. */
export interface LimiterPlace {
  readonly buckets: TokenBuckets;
  /** Names the policy among all; equal in every thread. */
  readonly name: string;
  /** Names the thread, for policies that count for each of them (`per_worker`). */
  readonly thread: string;
}

/** Makes the limiter of a policy. Throws ERR_L7_UNSUPPORTED. */
export const createRateLimiter = (policy: LocalRateLimit, place?: LimiterPlace): RateLimiter => {
  const { buckets, name, thread } = place ?? { buckets: createTokenBuckets(), name: '', thread: '' };
  const prefix = policy.perWorker ? `${thread}\u001f${name}` : name;
  const common = policy.maxTokens === 0 ? undefined : sizeOf(policy);
  const commonName = common === undefined ? '' : nameOf(prefix, '', common);
  const descriptors = policy.descriptors.map((descriptor, index) => compileDescriptor(descriptor, prefix, index));
  const enabled = (policy.enabledPpm || 1_000_000) / 1_000_000;
  const enforced = (policy.enforcedPpm || 1_000_000) / 1_000_000;
  const reply = replyOf(policy);
  return {
    limit: (request, nowMs, random) => {
      if (enabled < 1 && random() >= enabled) return passed;
      let isLimited = false;
      let tightest: Left | undefined;
      const take = (bucket: string, size: BucketSize): void => {
        const { isTaken, tokens } = buckets.take(bucket, size, nowMs);
        if (!isTaken) isLimited = true;
        if (tightest === undefined || tokens < tightest.tokens) tightest = { size, tokens };
      };
      for (const { bucketOf, size } of descriptors) {
        const bucket = bucketOf(request);
        if (bucket !== undefined) take(bucket, size);
      }
      if (!isLimited && common !== undefined) take(commonName, common);
      const fields = policy.rateHeaders && tightest !== undefined ? fieldsOf(tightest) : passed.fields;
      if (!isLimited || (enforced < 1 && random() >= enforced)) return { reply: undefined, fields };
      return { reply, fields };
    },
  };
};

/** A bucket keeps its tokens when its policy changes in other ways. */
const nameOf = (policy: string, values: string, { max, perMs }: BucketSize): string =>
  `${policy}\u001f${max}\u001f${perMs}\u001f${values}`;

const replyOf = ({ status, responseHeaders }: LocalRateLimit): LocalReply => {
  const more = [...Object.entries(responseHeaders?.set ?? {}), ...Object.entries(responseHeaders?.add ?? {})];
  return localReply(status || 429, 'local_rate_limited', 'local_rate_limited', {
    flag: 'RL',
    headers: more.map(([name, value]) => [name.toLowerCase(), value] as const),
  });
};

/** Limit, rest, and seconds until the next token (draft-ietf-httpapi-ratelimit-headers-03). */
const fieldsOf = ({ size, tokens }: Left): readonly (readonly [string, string])[] => [
  ['x-ratelimit-limit', String(Math.floor(size.max))],
  ['x-ratelimit-remaining', String(Math.floor(tokens))],
  ['x-ratelimit-reset', String(Math.ceil(Math.max(0, 1 - tokens) / size.perMs / 1000 - 1e-6))],
];

interface Left {
  readonly size: BucketSize;
  readonly tokens: number;
}

const sizeOf = (given: Pick<LocalRateLimit, 'maxTokens' | 'perFill' | 'interval'>): BucketSize => {
  const intervalMs = durationMs(given.interval) ?? 0;
  if (intervalMs <= 0) throw new L7Error('ERR_L7_UNSUPPORTED', 'a token bucket without fill interval');
  return { max: Math.max(1, given.maxTokens), perMs: (given.perFill || 1) / intervalMs };
};

interface CompiledDescriptor {
  readonly size: BucketSize;
  /** Name of the request's bucket; undefined when it belongs to none. */
  readonly bucketOf: (request: RequestView) => string | undefined;
}

const compileDescriptor = (descriptor: Descriptor, policy: string, index: number): CompiledDescriptor => {
  const size = sizeOf(descriptor);
  const keys = descriptor.keys.map((action) => ({ name: action.key, read: compileAction(action) }));
  const wanted = new Map(Object.entries(descriptor.values));
  return {
    size,
    bucketOf: (request) => {
      const values: string[] = [String(index)];
      for (const { name, read } of keys) {
        const value = read(request);
        const only = wanted.get(name);
        if (value === undefined || (only !== undefined && only !== value)) return undefined;
        values.push(value);
      }
      return nameOf(policy, values.join('\u001f'), size);
    },
  };
};

/** Value of one key; undefined when the request does not have it. Throws ERR_L7_UNSUPPORTED. */
export const compileAction = ({ source }: RateAction): ((request: RequestView) => string | undefined) => {
  switch (source.case) {
    case 'requestHeader': {
      const name = source.value.toLowerCase();
      return ({ headers }) => headers.joined(name);
    }
    case 'sourcePrincipal':
      return ({ peer }) => peer.principal;
    case 'sourceNamespace':
      return ({ peer }) => peer.namespace;
    case 'path':
      return ({ path }) => path;
    case 'method':
      return ({ method }) => method;
    case 'claim': {
      const path = source.value.split('.');
      return ({ claims }) => claimValues(claims, path)[0];
    }
    case 'remoteAddress':
      return ({ remoteIp }) => remoteIp;
    case 'genericValue': {
      const { value } = source;
      return () => value;
    }
    case 'headerValueMatch': {
      const { name, value, invert } = source.value;
      const test = value === undefined ? (found?: string) => found !== undefined : compileStringMatch(value);
      return ({ headers }) => (test(headers.joined(name.toLowerCase())) === invert ? undefined : 'true');
    }
    default:
      throw new L7Error('ERR_L7_UNSUPPORTED', `rate limit by ${source.case ?? 'nothing'}`);
  }
};
