/**
 * Local rate limits: a token bucket for all requests, and one per distinct value of descriptors (spec/waypoint.md 4.5).
 * In: a policy, request views and the time. Out: undefined, or the 429. The buckets are the only state, and belong to the
 * caller's limiter; they are refilled by arithmetic, without timers. Data thread.
 */
import type { Descriptor, LocalRateLimit, RateAction } from '@ambit/proto/waypoint';
import { claimValues } from './authorize/claims.ts';
import { durationMs } from './duration.ts';
import { L7Error } from './errors.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import { compileStringMatch } from './match/string-match.ts';
import type { RequestView } from './request-view.ts';

/** Buckets that one descriptor keeps; the one unused for longest is forgotten. */
const maxBuckets = 10_000;

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

/** Makes the limiter of a policy; `share` is the part of the tokens that this thread gets, in (0, 1]. Throws ERR_L7_UNSUPPORTED. */
export const createRateLimiter = (policy: LocalRateLimit, share = 1): RateLimiter => {
  const part = policy.perWorker ? 1 : share;
  const common = policy.maxTokens === 0 ? undefined : newBucket(sizeOf(policy, part), 0);
  const descriptors = policy.descriptors.map((descriptor) => compileDescriptor(descriptor, part));
  const enabled = (policy.enabledPpm || 1_000_000) / 1_000_000;
  const enforced = (policy.enforcedPpm || 1_000_000) / 1_000_000;
  const reply = replyOf(policy);
  return {
    limit: (request, nowMs, random) => {
      if (enabled < 1 && random() >= enabled) return passed;
      let isLimited = false;
      let tightest = common;
      for (const descriptor of descriptors) {
        const bucket = descriptor.bucketOf(request, nowMs);
        if (bucket === undefined) continue;
        if (!take(bucket, nowMs)) isLimited = true;
        if (tightest === undefined || bucket.tokens < tightest.tokens) tightest = bucket;
      }
      if (!isLimited && common !== undefined && !take(common, nowMs)) isLimited = true;
      const fields = policy.rateHeaders && tightest !== undefined ? fieldsOf(tightest) : passed.fields;
      if (!isLimited || (enforced < 1 && random() >= enforced)) return { reply: undefined, fields };
      return { reply, fields };
    },
  };
};

const replyOf = ({ status, responseHeaders }: LocalRateLimit): LocalReply => {
  const more = [...Object.entries(responseHeaders?.set ?? {}), ...Object.entries(responseHeaders?.add ?? {})];
  return localReply(status || 429, 'local_rate_limited', 'local_rate_limited', {
    flag: 'RL',
    headers: more.map(([name, value]) => [name.toLowerCase(), value] as const),
  });
};

/** Limit, rest, and seconds until the next token (draft-ietf-httpapi-ratelimit-headers-03). */
const fieldsOf = ({ size, tokens }: Bucket): readonly (readonly [string, string])[] => [
  ['x-ratelimit-limit', String(Math.floor(size.max))],
  ['x-ratelimit-remaining', String(Math.floor(tokens))],
  ['x-ratelimit-reset', String(Math.ceil(Math.max(0, 1 - tokens) / size.perMs / 1000 - 1e-6))],
];

interface Size {
  readonly max: number;
  readonly perMs: number;
}

interface Bucket {
  readonly size: Size;
  tokens: number;
  filledAtMs: number;
}

const sizeOf = (given: Pick<LocalRateLimit, 'maxTokens' | 'perFill' | 'interval'>, share: number): Size => {
  const intervalMs = durationMs(given.interval) ?? 0;
  if (intervalMs <= 0) throw new L7Error('ERR_L7_UNSUPPORTED', 'a token bucket without fill interval');
  return { max: Math.max(1, given.maxTokens * share), perMs: ((given.perFill || 1) * share) / intervalMs };
};

const newBucket = (size: Size, nowMs: number): Bucket => ({ size, tokens: size.max, filledAtMs: nowMs });

const take = (bucket: Bucket, nowMs: number): boolean => {
  const grown = Math.max(0, nowMs - bucket.filledAtMs) * bucket.size.perMs;
  bucket.tokens = Math.min(bucket.size.max, bucket.tokens + grown);
  bucket.filledAtMs = nowMs;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
};

interface CompiledDescriptor {
  bucketOf(request: RequestView, nowMs: number): Bucket | undefined;
}

const compileDescriptor = (descriptor: Descriptor, share: number): CompiledDescriptor => {
  const size = sizeOf(descriptor, share);
  const keys = descriptor.keys.map((action) => ({ name: action.key, read: compileAction(action) }));
  const wanted = new Map(Object.entries(descriptor.values));
  const buckets = new Map<string, Bucket>();
  return {
    bucketOf: (request, nowMs) => {
      const values: string[] = [];
      for (const { name, read } of keys) {
        const value = read(request);
        const only = wanted.get(name);
        if (value === undefined || (only !== undefined && only !== value)) return undefined;
        values.push(value);
      }
      const key = values.join('\u001f');
      const bucket = buckets.get(key) ?? newBucket(size, nowMs);
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > maxBuckets) buckets.delete(buckets.keys().next().value as string);
      return bucket;
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
