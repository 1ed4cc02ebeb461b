import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { CheckResponseSchema } from '@ambit/proto/ext-authz';
import { AuthzPolicy_Action, type ExtAuthz, ExtAuthzSchema, type Policy, PolicySchema } from '@ambit/proto/waypoint';
import { compileAuthorizer } from './authorize.ts';
import { compileExtAuthz, extAuthzErrorReply, type ExtAuthzQuestion, type ExtAuthzVerdict } from './ext-authz.ts';
import { grpcCheckOf, grpcVerdictOf } from './ext-authz/grpc.ts';
import { httpCheckOf, httpVerdictOf } from './ext-authz/http.ts';
import { HeaderList } from './header-list.ts';
import { peerFactsOf, type RequestView } from './request-view.ts';

const exact = (value: string) => ({ m: { case: 'exact' as const, value } });
const prefix = (value: string) => ({ m: { case: 'prefix' as const, value } });
const configOf = (init: MessageInitShape<typeof ExtAuthzSchema> = {}): ExtAuthz =>
  create(ExtAuthzSchema, { backend: 'b', ...init });
const request: RequestView = {
  peer: peerFactsOf('spiffe://cluster.local/ns/clients/sa/curl'),
  sourceIp: '10.1.2.3',
  remoteIp: '10.1.2.3',
  destinationIp: '10.96.0.1',
  port: 80,
  sni: undefined,
  method: 'POST',
  scheme: 'http',
  authority: 'reviews',
  path: '/admin',
  query: 'a=1&b=2',
  headers: HeaderList.fromRaw([
    'Authorization',
    'secret',
    'X-A',
    '1',
    'x-a',
    '2',
    'content-length',
    '5',
    '__proto__',
    'x',
  ]),
};
const question = (overrides: Partial<ExtAuthzQuestion> = {}): ExtAuthzQuestion => ({
  request,
  body: new Uint8Array(),
  isPartial: false,
  protocol: 'HTTP/1.1',
  requestId: 'id',
  source: { ip: '10.1.2.3', port: 5555 },
  localPrincipal: 'spiffe://cluster.local/ns/apps/sa/waypoint',
  startedAtMs: 1000,
  ...overrides,
});
const custom = (paths: string[], provider = 'p1'): Policy =>
  create(PolicySchema, {
    meta: { namespace: 'apps', name: 'x' },
    body: {
      case: 'authz',
      value: { action: AuthzPolicy_Action.CUSTOM, provider, rules: [{ to: [{ paths: paths.map(exact) }] }] },
    },
  });
const compile = (policies: Record<string, Policy>, providers: Record<string, ExtAuthz> = { p1: configOf() }) => {
  const refs = Object.keys(policies).map((policy) => ({ policy, phase: 0, ports: [], failClosedIfMissing: true }));
  const input = {
    refs: refs as never,
    lookup: (key: string) => policies[key],
    provider: (name: string) => providers[name],
    port: 80,
  };
  return {
    checks: compileExtAuthz(input),
    http: compileAuthorizer({ ...input, protocol: 'http' }),
    tcp: compileAuthorizer({ ...input, protocol: 'tcp' }),
  };
};

describe('who is asked', () => {
  test('one check per provider, when a rule of any of its policies matches', () => {
    const { checks, http } = compile({ a: custom(['/admin']), b: custom(['/other']) });
    assert.deepEqual(
      checks.map((check) => [check.id, check.applies(request)]),
      [['p1', true]],
    );
    assert.equal(checks[0]?.applies({ ...request, path: '/public' }), false);
    assert.equal(http.authorize(request).allow, true, 'the pool leaves the decision to the service');
  });

  test('an ExtAuthz policy without rules asks always', () => {
    const { checks } = compile({ a: create(PolicySchema, { body: { case: 'extAuthz', value: { backend: 'b' } } }) });
    assert.equal(checks[0]?.applies(request), true);
    assert.equal(checks[0]?.timeoutMs, 600_000);
  });

  test('what cannot be enforced denies: no provider, no service, tokens, huge bodies, raw TCP', () => {
    const broken: [Policy, ExtAuthz | undefined][] = [
      [custom(['/']), undefined],
      [custom(['/']), configOf({ backend: '' })],
      [custom(['/']), configOf({ bodyMax: 2 ** 21 })],
      [
        create(PolicySchema, {
          body: {
            case: 'authz',
            value: {
              action: AuthzPolicy_Action.CUSTOM,
              provider: 'p1',
              rules: [{ when: [{ key: 'request.auth.principal', values: [exact('x')] }] }],
            },
          },
        }),
        configOf(),
      ],
    ];
    for (const [policy, provider] of broken) {
      const { checks, http } = compile({ a: policy }, provider === undefined ? {} : { p1: provider });
      assert.deepEqual([checks.length, http.authorize(request).allow], [0, false]);
    }
    assert.equal(compile({ a: custom(['/']) }).tcp.authorize(request).allow, false);
  });

  test('a failure is 403 or the configured status', () => {
    assert.deepEqual(
      [extAuthzErrorReply(configOf()).status, extAuthzErrorReply(configOf()).details],
      [403, 'ext_authz_error'],
    );
    assert.equal(extAuthzErrorReply(configOf({ statusOnError: 503 })).status, 503);
  });
});

const edited = (verdict: ExtAuthzVerdict, raw: string[] = []) => {
  assert.equal(verdict.kind, 'allow');
  const headers = HeaderList.fromRaw(raw);
  const response = HeaderList.empty();
  if (verdict.kind === 'allow') {
    verdict.editRequest(headers);
    verdict.editResponse(response);
  }
  return { request: headers.toRaw(), response: response.toRaw() };
};

describe('over HTTP', () => {
  test('the service sees method, host, path, authorization and the named headers', () => {
    const config = configOf({ pathPrefix: '/check', checkHeaders: [prefix('x-')], extra: { set: { 'X-Extra': 'e' } } });
    const check = httpCheckOf(config, question());
    assert.deepEqual([check.method, check.authority, check.target], ['POST', 'reviews', '/check/admin?a=1&b=2']);
    assert.deepEqual(check.headers.toRaw(), [
      'authorization',
      'secret',
      'x-a',
      '1',
      'x-a',
      '2',
      'x-extra',
      'e',
      'content-length',
      '0',
    ]);
  });

  test('200 allows, with the named headers both ways', () => {
    const config = configOf({ upstreamHeaders: [exact('x-user')], allowHeaders: [exact('x-seen')] });
    const headers = HeaderList.fromRaw(['X-User', 'ann', 'x-seen', '1', 'x-other', '2', 'content-length', '0']);
    const verdict = httpVerdictOf(config, { status: 200, headers, body: new Uint8Array() });
    assert.deepEqual(edited(verdict, ['x-user', 'forged', 'x-user', 'twice']), {
      request: ['x-user', 'ann'],
      response: ['x-seen', '1'],
    });
  });

  test('other statuses are the answer to the client, 5xx is a failure', () => {
    const headers = HeaderList.fromRaw([
      'location',
      '/login',
      'x-a',
      '1',
      'content-length',
      '2',
      'content-type',
      'text/html',
    ]);
    const body = Buffer.from('no');
    for (const status of [201, 302, 403, 404]) {
      const verdict = httpVerdictOf(configOf(), { status, headers, body });
      assert.equal(verdict.kind === 'deny' && verdict.reply.status, status);
    }
    const few = httpVerdictOf(configOf({ denyHeaders: [exact('x-b')] }), { status: 302, headers, body });
    assert.ok(few.kind === 'deny');
    assert.deepEqual(few.reply.headers, [
      ['location', '/login'],
      ['content-type', 'text/html'],
    ]);
    assert.deepEqual([few.reply.flag, few.reply.details], ['UAEX', 'ext_authz_denied']);
    for (const status of [500, 503]) assert.equal(httpVerdictOf(configOf(), { status, headers, body }).kind, 'error');
  });
});

describe('over gRPC', () => {
  test('the service gets the attributes of the request', () => {
    const { attributes } = grpcCheckOf(
      configOf({ bodyMax: 10, packBytes: true }),
      question({ body: Buffer.from('hello') }),
    );
    assert.equal(attributes?.source?.principal, 'spiffe://cluster.local/ns/clients/sa/curl');
    assert.equal(attributes?.source?.address?.socketAddress?.portValue, 5555);
    const http = attributes?.request?.http;
    assert.deepEqual([http?.method, http?.path, http?.host, http?.size], ['POST', '/admin?a=1&b=2', 'reviews', 5n]);
    assert.equal(http?.headers['x-a'], '1,2');
    assert.equal(http?.headers['x-envoy-auth-partial-body'], 'false');
    assert.equal(Buffer.from(http?.rawBody ?? []).toString(), 'hello');
  });

  test('status 0 allows and edits headers and query', () => {
    const verdict = grpcVerdictOf(
      create(CheckResponseSchema, {
        status: {},
        httpResponse: {
          case: 'okResponse',
          value: {
            headers: [
              { header: { key: 'x-user', value: 'ann' } },
              { header: { key: 'x-a', value: '2' }, append: true },
              { header: { key: 'bad name', value: 'x' } },
              { header: { key: 'x-bad', value: 'a\r\nb' } },
              { header: { key: ':path', value: '/' } },
            ],
            headersToRemove: ['X-Gone', 'host'],
            responseHeadersToAdd: [{ header: { key: 'x-seen', value: '1' } }],
            queryParametersToSet: [{ key: 'a', value: '9' }],
            queryParametersToRemove: ['b'],
          },
        },
      }),
    );
    assert.deepEqual(edited(verdict, ['x-user', 'forged', 'x-a', '1', 'x-gone', '1', 'host', 'h']), {
      request: ['x-a', '1', 'host', 'h', 'x-user', 'ann', 'x-a', '2'],
      response: ['x-seen', '1'],
    });
    assert.equal(verdict.kind === 'allow' && verdict.editQuery('a=1&b=2&c'), 'c&a=9');
  });

  test('everything else denies or fails', () => {
    const verdictOf = (init: MessageInitShape<typeof CheckResponseSchema>) =>
      grpcVerdictOf(create(CheckResponseSchema, init));
    const denied = verdictOf({
      status: { code: 7 },
      httpResponse: { case: 'deniedResponse', value: { status: { code: 401 }, body: 'who?', headers: [] } },
    });
    assert.ok(denied.kind === 'deny');
    assert.deepEqual([denied.reply.status, denied.reply.body], [401, 'who?']);
    assert.equal(verdictOf({ status: { code: 16 } }).kind, 'deny');
    assert.equal(verdictOf({}).kind, 'deny');
    assert.equal(verdictOf({ status: {}, httpResponse: { case: 'deniedResponse', value: {} } }).kind, 'error');
  });
});
