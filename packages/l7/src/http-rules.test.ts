import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { HeaderOpsSchema, HttpRouteSchema, RetrySchema, RewriteSchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { HeaderList } from './header-list.ts';
import { compileHeaderOps, removeHopByHop } from './headers.ts';
import { localReply, renderLocalReply, replies, upstreamFailureReply } from './local-reply.ts';
import { normalizePath, type PathNormalization } from './normalize-path.ts';
import { compileRetryPlan, defaultRetryPlan, retryDelayMs, wantsRetry } from './retry.ts';
import { compileRewrite } from './rewrite.ts';
import { compileTimeouts, effectiveTimeoutMs, parseGrpcTimeout } from './timeouts.ts';

describe('path normalization', () => {
  const cases: [PathNormalization, string, string | undefined][] = [
    ['base', '/ok/../ok/a', '/ok/a'],
    ['base', '/ok/./a', '/ok/a'],
    ['base', '/../../ok', '/ok'],
    ['base', '/ok/%2e%2E/ok/b', '/ok/b'],
    ['base', '/ok//a', '/ok//a'],
    ['base', '/ok%2Fa', '/ok%2Fa'],
    ['base', '/ok\\a', '/ok/a'],
    ['base', '/%6fk/%41', '/ok/A'],
    ['base', '/ok/%zz', '/ok/%zz'],
    ['base', '/ok/%00', undefined],
    ['base', '/ok#frag', undefined],
    ['base', '/ok/é', undefined],
    ['base', '/ok/..', '/'],
    ['base', '/ok;a=b/../x', '/x'],
    ['base', '/ok/a//../b', '/ok/a/b'],
    ['base', 'ok', undefined],
    ['base', '*', '*'],
    ['none', '/a/../b', '/a/../b'],
    ['merge-slashes', '//ok', '/ok'],
    ['decode-and-merge-slashes', '/ok%2fa', '/ok/a'],
    ['decode-and-merge-slashes', '/ok%5Ca', '/ok/a'],
    ['decode-and-merge-slashes', '/ok/%252e%252e/x', '/ok/%252e%252e/x'],
  ];
  for (const [mode, target, expected] of cases) {
    test(`${mode}: ${target} becomes ${expected ?? 'a refusal'}`, () => {
      const result = normalizePath(target, mode);
      assert.equal(result.ok ? result.path : undefined, expected);
    });
  }
  test('the query is never touched', () => {
    assert.deepEqual(normalizePath('/ok?x=/../%2e%2e//', 'merge-slashes'), {
      ok: true,
      path: '/ok',
      query: 'x=/../%2e%2e//',
    });
  });
  test('normalizing twice changes nothing and leaves no dot segment', () => {
    const part = fc.constantFrom('.', '..', 'a', '', '%2e', '%2E.', 'b%2f', '\\', '%61');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const once = normalizePath(`/${parts.join('/')}`, 'base');
        assert.ok(once.ok);
        const twice = normalizePath(once.path, 'base');
        assert.ok(twice.ok);
        assert.equal(twice.path, once.path);
        assert.ok(!once.path.split('/').some((segment) => segment === '.' || segment === '..'));
      }),
    );
  });
});

describe('header operations', () => {
  test('remove, then set, then add', () => {
    const edit = compileHeaderOps(
      create(HeaderOpsSchema, { remove: ['X-Rm'], set: { 'x-over': 'new' }, add: { 'x-add': 'new' } }),
    );
    const headers = HeaderList.fromRaw(['X-Add', 'old', 'X-Over', 'a', 'x-over', 'b', 'x-rm', '1']);
    edit(headers, () => undefined);
    assert.deepEqual(headers.toRaw(), ['x-add', 'old', 'x-over', 'new', 'x-add', 'new']);
  });
  test('Host is returned instead of set, pseudo headers are left alone', () => {
    const edit = compileHeaderOps(
      create(HeaderOpsSchema, { set: { Host: 'inner', ':method': 'POST' }, remove: ['host'] }),
    );
    const headers = HeaderList.fromRaw(['host', 'outer']);
    assert.equal(edit(headers, () => undefined).host, 'inner');
    assert.deepEqual(headers.toRaw(), ['host', 'outer']);
  });
  test('operators are filled in', () => {
    const edit = compileHeaderOps(create(HeaderOpsSchema, { set: { a: '%REQ(:METHOD)% 100%% %NONE%' } }));
    const headers = HeaderList.empty();
    edit(headers, (operator) => (operator === 'REQ(:METHOD)' ? 'GET' : undefined));
    assert.equal(headers.get('a'), 'GET 100% ');
  });
  test('line breaks are refused', () => {
    assert.throws(() => compileHeaderOps(create(HeaderOpsSchema, { set: { a: 'b\r\nc: d' } })));
  });
  test('hop-by-hop fields go, with what Connection nominates; TE keeps only trailers', () => {
    const headers = HeaderList.fromRaw([
      'Connection',
      'X-Hop, TE',
      'X-Hop',
      '1',
      'TE',
      'trailers, deflate',
      'keep-alive',
      '1',
      'a',
      'b',
    ]);
    assert.equal(removeHopByHop(headers, 'request'), true);
    assert.deepEqual(headers.toRaw(), ['a', 'b', 'te', 'trailers']);
  });
  test('nominating a forwarding header is refused', () => {
    assert.equal(removeHopByHop(HeaderList.fromRaw(['connection', 'x-forwarded-for']), 'request'), false);
  });
  test('a response keeps what its Connection nominates', () => {
    const headers = HeaderList.fromRaw(['connection', 'x-hop', 'x-hop', '1']);
    removeHopByHop(headers, 'response');
    assert.deepEqual(headers.toRaw(), ['x-hop', '1']);
  });
});

describe('rewrites', () => {
  const rewritten = (path: object, request: string, matched?: string, segmentPrefix = false) =>
    compileRewrite(create(RewriteSchema, { path: path as never, segmentPrefix }))?.path?.(request, matched);
  const cases: [string, string, string, string][] = [
    ['/foo', '/bar', '/foo', '/bar'],
    ['/foo', '/bar', '/foo/', '/bar/'],
    ['/foo', '/bar', '/foo/x', '/bar/x'],
    ['/foo', '/', '/foo/x', '/x'],
    ['/foo', '', '/foo', '/'],
    ['/foo/', '/bar/', '/foo/x', '/bar/x'],
    ['/', '/bar', '/x', '/bar/x'],
  ];
  for (const [matched, value, path, expected] of cases) {
    test(`segment prefix ${matched} to ${JSON.stringify(value)}: ${path} becomes ${expected}`, () => {
      assert.equal(rewritten({ case: 'prefix', value }, path, matched, true), expected);
    });
  }
  test('text prefix and full path', () => {
    assert.equal(rewritten({ case: 'prefix', value: '/' }, '/foo/x', '/foo'), '//x');
    assert.equal(rewritten({ case: 'prefix', value: '/new' }, '/foo'), '/new');
    assert.equal(rewritten({ case: 'full', value: '/f' }, '/foo/x', '/foo'), '/f');
  });
  test('regex substitution with groups', () => {
    const value = { pattern: '^/rewrite/regex/([^/]+)/(.*)$', substitution: '/\\2/\\1' };
    assert.equal(rewritten({ case: 'regex', value }, '/rewrite/regex/abc/def'), '/def/abc');
  });
});

describe('local replies', () => {
  const render = (reply: ReturnType<typeof localReply>, contentType?: string) => {
    const { status, headers, body } = renderLocalReply(reply, contentType);
    return { status, headers: headers.toRaw(), body };
  };
  test('a denial has the words of upstream', () => {
    assert.deepEqual(render(replies.accessDenied('x')), {
      status: 403,
      headers: ['content-length', '19', 'content-type', 'text/plain'],
      body: 'RBAC: access denied',
    });
  });
  test('an empty body has no content type', () => {
    assert.deepEqual(render(replies.routeNotFound), { status: 404, headers: [], body: '' });
  });
  test('a gRPC request gets a gRPC status', () => {
    assert.deepEqual(render(replies.accessDenied('x'), 'application/grpc+proto'), {
      status: 200,
      headers: ['content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'RBAC: access denied'],
      body: '',
    });
  });
  test('upstream failures name their reason', () => {
    const lead = 'upstream connect error or disconnect/reset before headers. ';
    assert.equal(upstreamFailureReply({ kind: 'closed' }, false).body, `${lead}reset reason: connection termination`);
    assert.equal(
      upstreamFailureReply({ kind: 'closed' }, true).body,
      `${lead}retried and the latest reset reason: connection termination`,
    );
    assert.equal(upstreamFailureReply({ kind: 'protocol' }, false).status, 502);
    const refused = upstreamFailureReply(
      { kind: 'connect', reason: 'delayed connect error: Connection refused' },
      false,
    );
    assert.equal(
      refused.details,
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    );
    assert.deepEqual(
      [
        upstreamFailureReply({ kind: 'per-try-timeout' }, true).status,
        upstreamFailureReply({ kind: 'overflow' }, false).headers,
      ],
      [504, [['x-envoy-overloaded', 'true']]],
    );
  });
});

describe('retries', () => {
  const failure = (kind: 'connect' | 'closed', requestSent: boolean) =>
    ({ kind: 'failure', failure: kind === 'connect' ? { kind, reason: '' } : { kind }, requestSent }) as const;
  test('the default plan repeats failed connects of any method', () => {
    assert.equal(wantsRetry(defaultRetryPlan, 'POST', failure('connect', false)), true);
    assert.equal(wantsRetry(defaultRetryPlan, 'GET', failure('closed', true)), false);
  });
  test('an unsafe request is never repeated after bytes were sent', () => {
    const plan = compileRetryPlan(create(RetrySchema, { attempts: 3, retryOn: ['5xx', 'reset'] }));
    assert.equal(wantsRetry(plan, 'GET', failure('closed', true)), true);
    assert.equal(wantsRetry(plan, 'POST', failure('closed', true)), false);
  });
  test('status codes and gRPC statuses of headers count', () => {
    const plan = compileRetryPlan(create(RetrySchema, { attempts: 1, retryOn: ['503', 'unavailable'], codes: [418] }));
    const response = (status: number, raw: string[] = []) =>
      ({ kind: 'response', status, headers: HeaderList.fromRaw(raw) }) as const;
    assert.equal(wantsRetry(plan, 'GET', response(503)), true);
    assert.equal(wantsRetry(plan, 'GET', response(418)), true);
    assert.equal(wantsRetry(plan, 'GET', response(500)), false);
    assert.equal(wantsRetry(plan, 'GET', response(200, ['grpc-status', '14'])), true);
    assert.equal(wantsRetry(plan, 'GET', response(503, ['x-envoy-overloaded', 'true'])), false);
  });
  test('a rule without attempts switches retries off', () => {
    assert.equal(compileRetryPlan(create(RetrySchema)).maxRetries, 0);
  });
  test('pauses grow and stay below the limit', () => {
    assert.equal(retryDelayMs(defaultRetryPlan, 1, 0.5), 12.5);
    assert.ok(retryDelayMs(defaultRetryPlan, 1000, 0.999) <= defaultRetryPlan.maxMs);
  });
});

describe('timeouts', () => {
  test('grpc-timeout is read with its unit', () => {
    assert.deepEqual(['100m', '2S', '1H', '5u', '', '1x', '123456789m', '0m'].map(parseGrpcTimeout), [
      100,
      2000,
      3_600_000,
      1,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
  test('years are as long as a timer can be, not over at once', () => {
    const years = { seconds: 99_999n * 3600n, nanos: 0 };
    const retry = compileRetryPlan(create(RetrySchema, { attempts: 1, perTry: years, base: years }));
    const route = compileTimeouts(create(HttpRouteSchema, { timeout: years, idleTimeout: years, maxStream: years }));
    const given = [...Object.values(route), retry.perTryMs, retry.baseMs, retry.maxMs, parseGrpcTimeout('99999999H')];
    assert.deepEqual(new Set(given), new Set([2 ** 31 - 1]));
  });
  test('the smaller limit wins', () => {
    assert.equal(effectiveTimeoutMs({ requestMs: 50, idleMs: undefined, streamMs: undefined }, '100m'), 50);
    assert.equal(effectiveTimeoutMs({ requestMs: undefined, idleMs: undefined, streamMs: undefined }, '100m'), 100);
    assert.equal(
      effectiveTimeoutMs({ requestMs: undefined, idleMs: undefined, streamMs: undefined }, undefined),
      undefined,
    );
  });
});
