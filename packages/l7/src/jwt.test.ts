import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type JwtRuleSchema, type Policy, PolicySchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { compileAuthorizer } from './authorize.ts';
import { HeaderList } from './header-list.ts';
import { acceptJwt, compileJwt, jwtProblems, refuseJwt } from './jwt.ts';
import { decodeBase64Url, parseJwt } from './jwt/parse.ts';
import { noPeer, type RequestView } from './request-view.ts';

type Rule = MessageInitShape<typeof JwtRuleSchema>;
const now = 1_800_000_000;
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const tokenOf = (payload: unknown, header: unknown = { alg: 'RS256', kid: 'k' }, signature = 'c2ln'): string =>
  `${encode(header)}.${encode(payload)}.${signature}`;
const policyOf = (...rules: Rule[]): Policy =>
  create(PolicySchema, {
    body: { case: 'jwt', value: { rules: rules.map((rule) => ({ jwksSecret: 's', ...rule })) } },
  });
const refs = [{ policy: 'p', phase: 0, ports: [], failClosedIfMissing: true }] as never;

const request = (raw: string[] = [], overrides: Partial<RequestView> = {}): RequestView => ({
  peer: noPeer,
  sourceIp: '10.1.2.3',
  remoteIp: '10.1.2.3',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'reviews',
  path: '/a',
  query: undefined,
  headers: HeaderList.fromRaw(raw),
  ...overrides,
});
const bearer = (token: string): string[] => ['Authorization', `Bearer ${token}`];

const authenticatorOf = (...rules: Rule[]) => {
  const made = compileJwt({ refs, lookup: () => policyOf(...rules), port: 80 });
  assert.ok(made);
  return made;
};
const planOf = (rules: Rule[], view: RequestView) => authenticatorOf(...rules).plan(view, now);
const refusalOf = (rules: Rule[], view: RequestView): string | undefined => {
  const plan = planOf(rules, view);
  if (plan === undefined) return 'no token';
  return plan.checks.length > 0 ? 'verify' : refuseJwt(plan.failures, view).body.toString();
};

describe('the words of a refused token', () => {
  const rule = { issuer: 'me', audiences: ['shop'] };
  const good = { iss: 'me', aud: 'shop' };
  const malformed = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
  const cases: [string, string][] = [
    ['a.b', malformed],
    ['a.b.c.d', malformed],
    [`!!.${encode(good)}.c2ln`, 'Jwt header is an invalid Base64url encoded'],
    [tokenOf(good, 'not json'), 'Jwt header is an invalid JSON'],
    [tokenOf(good, { kid: 'k' }), 'Jwt header [alg] field is required and must be a string'],
    [tokenOf(good, { alg: 'none' }), 'Jwt header [alg] is not supported'],
    [tokenOf(good, { alg: 'RS256', crit: ['b64'] }), 'Jwt header [alg] is not supported'],
    [tokenOf(good, { alg: 'RS256', kid: 7 }), 'Jwt header [kid] field is not a string'],
    [`${encode({ alg: 'RS256' })}.*.c2ln`, 'Jwt payload is an invalid Base64url encoded'],
    [tokenOf('[]'), 'Jwt payload is an invalid JSON'],
    [tokenOf({ iss: 1 }), 'Jwt payload [iss] field is not a string'],
    [tokenOf({ ...good, sub: {} }), 'Jwt payload [sub] field is not a string'],
    [tokenOf({ ...good, aud: 1 }), 'Jwt payload [aud] field is not a string or string list'],
    [tokenOf({ ...good, exp: 'soon' }), 'Jwt payload [exp] field is not an integer'],
    [tokenOf({ ...good, nbf: -1 }), 'Jwt payload [nbf] field is not a positive 64 bit integer'],
    [tokenOf(good, { alg: 'RS256' }, '?'), 'Jwt signature is an invalid Base64url encoded'],
    [tokenOf({ ...good, exp: now - 61 }), 'Jwt is expired'],
    [tokenOf({ ...good, nbf: now + 61 }), 'Jwt not yet valid'],
    [tokenOf({ iss: 'somebody' }), 'Jwt issuer is not configured'],
    [tokenOf({ iss: 'me', aud: 'other' }), 'Audiences in Jwt are not allowed'],
    [tokenOf({ iss: 'me' }), 'Audiences in Jwt are not allowed'],
    [tokenOf({ ...good, exp: now - 59, nbf: now + 59 }), 'verify'],
    [tokenOf({ iss: 'me', aud: ['x', 'https://shop/'] }), 'verify'],
  ];
  for (const [token, expected] of cases) {
    test(`${expected} (${token.slice(0, 24)})`, () =>
      assert.equal(refusalOf([rule], request(bearer(token))), expected));
  }

  test('the status is 401, for a wrong audience 403, with a challenge', () => {
    const view = request(bearer(tokenOf({ iss: 'me' })), { path: '/a"b', query: 'c=1' });
    const failed = (text: string) => refuseJwt([{ text, isOwnIssuer: true }], view);
    assert.equal(failed('Audiences in Jwt are not allowed').status, 403);
    const reply = failed('Jwt is expired');
    assert.equal(reply.status, 401);
    assert.equal(reply.details, 'jwt_authn_access_denied{Jwt_is_expired}');
    assert.deepEqual(reply.headers, [
      ['www-authenticate', 'Bearer realm="http://reviews/a%22b?c=1", error="invalid_token"'],
    ]);
    const long = refuseJwt([{ text: 'x', isOwnIssuer: true }], request([], { path: `/${'a'.repeat(400)}` }));
    assert.equal(long.headers[0]?.[1].split('"')[1]?.length, 256);
  });

  test('the rule of the token’s issuer speaks', () => {
    const rules = [{ issuer: 'a' }, { issuer: 'b' }, { issuer: 'c' }];
    assert.equal(refusalOf(rules, request(bearer(tokenOf({ iss: 'b', exp: 1 })))), 'Jwt is expired');
  });

  test('a token is read alike the second time, and after many others', () => {
    const token = (sub: string): string => `${encode({ alg: 'RS256' })}.${encode({ iss: 'me', sub })}.AAAA`;
    const first = parseJwt(token('first'));
    assert.deepEqual(parseJwt(token('first')), first);
    for (let index = 0; index < 1100; index++) parseJwt(token(`other ${index}`));
    assert.deepEqual(parseJwt(token('first')), first);
    assert.equal(first.ok && first.token.payload['sub'], 'first');
  });

  test('a parser of peer data never throws and accepts only three proper sections', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => tokenOf(text)),
        ),
        (text) => {
          const parsed = parseJwt(text);
          if (parsed.ok) assert.equal(text.split('.').length, 3);
          else assert.match(parsed.problem, /^Jwt /);
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(
          Buffer.from(decodeBase64Url(Buffer.from(bytes).toString('base64url')) ?? []),
          Buffer.from(bytes),
        );
      }),
    );
  });
});

describe('where tokens are looked for', () => {
  const token = tokenOf({ iss: 'me' });

  test('without a token the request goes on', () => {
    assert.equal(planOf([{ issuer: 'me' }], request()), undefined);
    assert.equal(planOf([{ issuer: 'me' }], request(['authorization', 'Basic eDp5'])), undefined);
    const elsewhere = { issuer: 'me', fromHeaders: [{ name: 'X-Token' }] };
    assert.equal(planOf([elsewhere], request(bearer(token))), undefined);
  });

  test('the default places are the authorization header and access_token', () => {
    assert.equal(refusalOf([{ issuer: 'me' }], request(bearer(token))), 'verify');
    assert.equal(refusalOf([{ issuer: 'me' }], request([], { query: `x=1&access_token=${token}` })), 'verify');
  });

  test('headers with a prefix, parameters and cookies', () => {
    const prefix = { m: { case: 'prefix' as const, value: 'JWT ' } };
    const rule = {
      issuer: 'me',
      fromHeaders: [{ name: 'X-Token', value: prefix }],
      fromParams: ['t'],
      fromCookies: ['c'],
    };
    assert.equal(refusalOf([rule], request(['x-token', `JWT ${token}`])), 'verify');
    assert.equal(refusalOf([rule], request(['x-token', token])), 'no token');
    assert.equal(refusalOf([rule], request([], { query: `t=${token}` })), 'verify');
    assert.equal(refusalOf([rule], request(['cookie', `a=b; c=${token}`])), 'verify');
  });

  test('two tokens at one place are refused', () => {
    const twice = request([...bearer(token), ...bearer(token)]);
    assert.match(refusalOf([{ issuer: 'me' }], twice) ?? '', /^Jwt is not in the form of /);
    const query = `access_token=${token}&access_token=${token}`;
    assert.equal(refusalOf([{ issuer: 'me' }], request([], { query })), 'Found multiple Jwt tokens');
  });

  test('the first token of the rule’s issuer counts', () => {
    const other = tokenOf({ iss: 'other' });
    const plan = planOf([{ issuer: 'me' }], request(bearer(other), { query: `access_token=${token}` }));
    assert.equal(plan?.checks[0]?.location.kind, 'param');
  });

  test('a preflight has no token', () => {
    const raw = [...bearer('x'), 'origin', 'a', 'access-control-request-method', 'GET'];
    assert.equal(planOf([{ issuer: 'me' }], request(raw, { method: 'OPTIONS' })), undefined);
    assert.equal(
      refusalOf([{ issuer: 'me' }], request(bearer('x'), { method: 'OPTIONS' }))?.slice(0, 10),
      'Jwt is not',
    );
  });
});

describe('after verification', () => {
  const payload = { iss: 'me', sub: 'ann', scope: 'read write', n: 7, deep: { list: ['x'], flag: true } };
  const accept = (rule: Rule, view: RequestView) => {
    const authenticator = authenticatorOf(rule);
    authenticator.removeOwnedHeaders(view.headers);
    const check = authenticator.plan(view, now)?.checks[0];
    assert.ok(check);
    return acceptJwt(check, view);
  };

  test('claims belong to the request, scopes as a list', () => {
    const view = accept({ issuer: 'me' }, request(bearer(tokenOf(payload))));
    assert.deepEqual(view.claims, { ...payload, scope: ['read', 'write'] });
  });

  test('the token is taken out of where it was, unless it is to be forwarded', () => {
    const token = tokenOf(payload);
    assert.equal(accept({ issuer: 'me' }, request(bearer(token))).headers.has('authorization'), false);
    assert.equal(accept({ issuer: 'me', forward: true }, request(bearer(token))).headers.has('authorization'), true);
    assert.equal(accept({ issuer: 'me' }, request([], { query: `a=1&access_token=${token}&b=2` })).query, 'a=1&b=2');
    const cookie = accept({ issuer: 'me', fromCookies: ['t'] }, request(['cookie', `a=1; t=${token}`]));
    assert.equal(cookie.headers.get('cookie'), 'a=1');
  });

  test('claims become headers; what a client put there is gone, with or without a token', () => {
    const claimHeaders = [
      { header: 'X-Sub', path: ['sub'] },
      { header: 'x-flag', path: ['deep', 'flag'] },
      { header: 'x-list', path: ['deep', 'list'] },
      { header: 'x-evil', path: ['evil'] },
    ];
    const rule = { issuer: 'me', payloadHeader: 'X-Payload', claimHeaders };
    const forged = ['x-sub', 'root', 'x-list', 'forged', 'x-payload', 'forged'];
    const view = accept(rule, request([...bearer(tokenOf({ ...payload, evil: 'a\r\nb' })), ...forged]));
    assert.deepEqual(
      ['x-sub', 'x-flag', 'x-list', 'x-evil'].map((name) => view.headers.get(name)),
      ['ann', 'true', undefined, undefined],
    );
    assert.equal(JSON.parse(Buffer.from(view.headers.get('x-payload') ?? '', 'base64url').toString()).sub, 'ann');
    const bare = request(forged);
    authenticatorOf(rule).removeOwnedHeaders(bare.headers);
    assert.equal(bare.headers.size, 0);
  });
});

describe('policies for tokens in the pool', () => {
  const verdict = (policy: Policy | undefined, scope: 'frontend' | 'route' = 'frontend') =>
    compileAuthorizer({ refs, lookup: () => policy, protocol: 'http', port: 80, scope }).authorize(request()).allow;

  test('one that can be enforced does not deny by itself; anything else does', () => {
    assert.equal(verdict(policyOf({ issuer: 'me' })), true);
    assert.equal(verdict(policyOf()), true, 'without rules it asks for nothing');
    assert.equal(verdict(policyOf({ issuer: 'me', jwksSecret: '' })), false);
    assert.equal(verdict(policyOf({ issuer: 'me', payloadHeader: ':path' })), false);
    assert.equal(verdict(policyOf({ issuer: 'me' }), 'route'), false);
    assert.equal(verdict(undefined), false);
  });

  test('without keys the words are those of a failed fetch', () => {
    const failures = [{ text: jwtProblems.fetchFailed, isOwnIssuer: true }];
    assert.equal(refuseJwt(failures, request()).body, 'Jwks remote fetch is failed');
  });
});
