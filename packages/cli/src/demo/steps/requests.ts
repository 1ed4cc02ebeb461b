// Step 7: rules for single requests: a canary by header, injected faults, tokens, a circuit breaker; each is seen to work.
import { generateKeyPairSync, sign } from 'node:crypto';
import { kinds } from '../../cluster/kinds.ts';
import { waitUntil } from '../../output/wait-until.ts';
import type { BurstOrder, BurstResult } from '../load-client.ts';
import { shop, type Stage } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';

const canary = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'reviews', namespace: shop },
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'reviews', port: 9080 }],
    rules: [
      {
        matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }],
        backendRefs: [{ name: 'reviews-v3', port: 9080 }],
      },
      { backendRefs: [{ name: 'reviews-v1', port: 9080 }] },
    ],
  },
};

const fault = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'ratings-fault', namespace: shop },
  spec: {
    hosts: ['ratings'],
    http: [
      {
        match: [{ headers: { 'x-fault': { exact: 'abort' } } }],
        fault: { abort: { httpStatus: 418, percentage: { value: 100 } } },
        route: [{ destination: { host: 'ratings', port: { number: 9080 } } }],
      },
      { route: [{ destination: { host: 'ratings', port: { number: 9080 } } }] },
    ],
  },
};

const breaker = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'ratings-breaker', namespace: shop },
  spec: { host: 'ratings', trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } } },
};

const issuer = 'https://tour.example';

/** Who may ask for details: everybody with a token of the issuer. */
const tokenRules = (jwks: string) => [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'details-tokens', namespace: shop },
    spec: { targetRefs: [{ kind: 'Service', group: '', name: 'details' }], jwtRules: [{ issuer, jwks }] },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'details-tokens', namespace: shop },
    spec: {
      targetRefs: [{ kind: 'Service', group: '', name: 'details' }],
      action: 'ALLOW',
      rules: [{ from: [{ source: { requestPrincipals: [`${issuer}/*`] } }] }],
    },
  },
];

/** A token, and the key set that knows its key; made for this tour. */
function makeToken(): { readonly token: string; readonly jwks: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: issuer, sub: 'tour', exp: Math.floor(Date.now() / 1000) + 3600 };
  const text = `${encode({ alg: 'ES256', kid: 'tour' })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'tour', alg: 'ES256', use: 'sig' };
  return { token: `${text}.${signature.toString('base64url')}`, jwks: JSON.stringify({ keys: [jwk] }) };
}

const ratings = { host: 'ratings:9080', path: '/ratings/0' };

/** Repeats a burst until its answers look right; the answers of the last one. */
async function until(
  stage: Stage,
  what: string,
  order: BurstOrder,
  isSeen: (result: BurstResult) => boolean,
): Promise<BurstResult> {
  return waitUntil(what, 20_000, async () => {
    const result = await stage.load.burst(order);
    return isSeen(result) ? { value: result } : { missing: JSON.stringify({ ...result, sample: undefined }) };
  });
}

async function canaryByHeader(stage: Stage): Promise<string> {
  await stage.api.apply(canary);
  const order = { host: 'reviews:9080', path: '/reviews/0', count: 20 };
  const marked = { ...order, headers: { 'x-canary': 'yes' } };
  const chosen = await until(stage, 'the canary', marked, ({ versions }) => versions['v3'] === 20);
  const others = await stage.load.burst(order);
  expect(others.versions['v1'] === 20, 'requests without the header left v1', JSON.stringify(others));
  return `x-canary: yes: ${chosen.versions['v3'] ?? 0} of 20 answered by v3; without it 20 of 20 by v1`;
}

async function injectedFault(stage: Stage): Promise<string> {
  await stage.api.apply(fault);
  const marked = { ...ratings, count: 10, headers: { 'x-fault': 'abort' } };
  await until(stage, 'the fault', marked, ({ statuses }) => statuses['418'] === 10);
  const others = await stage.load.burst({ ...ratings, count: 10 });
  expect(others.statuses['200'] === 10, 'requests without the header failed', JSON.stringify(others));
  return 'x-fault: abort: 10 of 10 answered 418; without it 10 of 10 answered 200';
}

async function tokens(stage: Stage): Promise<string> {
  const { token, jwks } = makeToken();
  for (const rule of tokenRules(jwks)) await stage.api.apply(rule);
  const order = { host: 'details:9080', path: '/details/0', count: 10 };
  const withToken = (text: string): BurstOrder => ({ ...order, headers: { authorization: `Bearer ${text}` } });
  await until(stage, 'the refusal without a token', order, ({ statuses }) => statuses['403'] === 10);
  await until(stage, 'the answer with a token', withToken(token), ({ statuses }) => statuses['200'] === 10);
  const forged = await stage.load.burst(withToken(`${token.slice(0, -8)}AAAAAAAA`));
  expect(forged.statuses['401'] === 10, 'a forged token was not refused', JSON.stringify(forged));
  for (const kind of [kinds.authorizationPolicy, kinds.requestAuthentication])
    await stage.api.delete({ ...kind, namespace: shop, name: 'details-tokens' });
  return 'token: 10 of 10 answered 200; no token 403, a forged one 401';
}

async function circuitBreaker(stage: Stage): Promise<string> {
  await stage.api.apply(breaker);
  const order = { ...ratings, count: 400, concurrency: 32 };
  const isOpen = ({ statuses }: BurstResult): boolean => (statuses['503'] ?? 0) > 0 && (statuses['200'] ?? 0) > 0;
  const result = await until(stage, 'the overflow', order, isOpen);
  await stage.api.delete({ ...kinds.destinationRule, namespace: shop, name: 'ratings-breaker' });
  const free = ({ statuses }: BurstResult): boolean => statuses['200'] === order.count;
  await until(stage, 'the end of the limit', order, free);
  return `one request at a time allowed: of 400, 32 at once, ${result.statuses['503'] ?? 0} were refused with 503; without the rule none`;
}

/** Step 7 of the tour. */
export const requestsStep: TourStep = {
  number: 7,
  title: 'rules for single requests',
  commands: [
    'kubectl apply -f reviews-canary.yaml    # HTTPRoute: x-canary: yes to v3, the rest to v1',
    'kubectl apply -f ratings-fault.yaml     # VirtualService: x-fault: abort is answered 418',
    'kubectl apply -f details-tokens.yaml    # RequestAuthentication and AuthorizationPolicy',
    'kubectl apply -f ratings-breaker.yaml   # DestinationRule: one request at a time',
  ],
  run: async (stage) => {
    return [await canaryByHeader(stage), await injectedFault(stage), await tokens(stage), await circuitBreaker(stage)];
  },
};
