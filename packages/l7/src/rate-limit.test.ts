import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { LocalRateLimitSchema, PolicySchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { compileAuthorizer } from './authorize.ts';
import { HeaderList } from './header-list.ts';
import { createRateLimiter } from './rate-limit.ts';
import { createTokenBuckets } from './rate-limit/buckets.ts';
import { noPeer, type RequestView } from './request-view.ts';

const second = { seconds: 1n, nanos: 0 };
const policyOf = (init: MessageInitShape<typeof LocalRateLimitSchema>) => create(LocalRateLimitSchema, init);
const request = (raw: string[] = []): RequestView => ({
  peer: noPeer,
  sourceIp: '',
  remoteIp: '10.0.0.1',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'a',
  path: '/',
  query: undefined,
  headers: HeaderList.fromRaw(raw),
});
const never = (): number => 0.999;

test('as many requests as there are tokens, then 429 until the bucket fills', () => {
  const limiter = createRateLimiter(policyOf({ maxTokens: 2, perFill: 1, interval: second }));
  const at = (ms: number) => limiter.limit(request(), ms, never).reply?.status;
  assert.deepEqual(
    [at(0), at(0), at(0), at(999), at(1000), at(1000)],
    [undefined, undefined, 429, 429, undefined, 429],
  );
  const { reply } = limiter.limit(request(), 1000, never);
  assert.deepEqual([reply?.body, reply?.flag, reply?.details], ['local_rate_limited', 'RL', 'local_rate_limited']);
});

test('clients can be told what is left', () => {
  const limiter = createRateLimiter(policyOf({ maxTokens: 2, perFill: 1, interval: second, rateHeaders: true }));
  const fields = () => limiter.limit(request(), 0, never).fields.map(([, value]) => value);
  assert.deepEqual(
    [fields(), fields(), fields()],
    [
      ['2', '1', '0'],
      ['2', '0', '1'],
      ['2', '0', '1'],
    ],
  );
});

test('each value of a descriptor has a bucket of its own', () => {
  const limiter = createRateLimiter(
    policyOf({
      descriptors: [
        { keys: [{ source: { case: 'requestHeader', value: 'X-User' }, key: 'user' }], maxTokens: 1, interval: second },
      ],
    }),
  );
  const by = (user: string) => limiter.limit(request(['x-user', user]), 0, never).reply?.status;
  assert.deepEqual([by('a'), by('b'), by('a')], [undefined, undefined, 429]);
  assert.equal(limiter.limit(request(), 0, never).reply, undefined, 'a request without the key has no bucket');
});

test('threads share the buckets of a policy, unless it counts for each of them', () => {
  const buckets = createTokenBuckets();
  const allowed = (perWorker: boolean): number => {
    const policy = policyOf({ maxTokens: 4, perFill: 4, interval: second, perWorker });
    const threads = ['1', '2'].map((thread) => createRateLimiter(policy, { buckets, name: `p${perWorker}`, thread }));
    return [0, 1, 2, 3].flatMap(() => threads.filter((one) => one.limit(request(), 0, never).reply === undefined))
      .length;
  };
  assert.equal(allowed(false), 4);
  assert.equal(allowed(true), 8);
});

test('no sequence of requests gets more than size plus refill', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500), { maxLength: 100 }), (pauses) => {
      const limiter = createRateLimiter(policyOf({ maxTokens: 3, perFill: 2, interval: second }));
      let nowMs = 0;
      let passed = 0;
      for (const pause of pauses) {
        nowMs += pause;
        if (limiter.limit(request(), nowMs, never).reply === undefined) passed += 1;
      }
      assert.ok(passed <= 3 + nowMs * 0.002 + 1e-6);
    }),
  );
});

test('a limit that cannot be compiled denies', () => {
  const policy = create(PolicySchema, { body: { case: 'localRateLimit', value: { maxTokens: 1 } } });
  const refs = [{ policy: 'p', phase: 0, ports: [], failClosedIfMissing: true }] as never;
  const authorizer = compileAuthorizer({ refs, lookup: () => policy, protocol: 'http', port: 80 });
  assert.equal(authorizer.authorize(request()).allow, false);
});
