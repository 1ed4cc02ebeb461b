import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { appendFields, hasTooMany, repeats, requestOf, responseOf, trailersOf, trailersToSend } from './fields.ts';

const get = [':method', 'GET', ':scheme', 'http', ':path', '/a?b', ':authority', 'a'];
const websocket = [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http', ':path', '/', ':authority', 'a'];
const many = (count: number): string[] => Array.from({ length: count }, (_one, index) => [`x-${index}`, 'v']).flat();

describe('heads of HTTP/2', () => {
  const rows: readonly (readonly [what: string, fields: readonly string[], isRequest: boolean])[] = [
    ['the four of them', get, true],
    ['an extended CONNECT', websocket, true],
    ['a plain CONNECT', [':method', 'CONNECT', ':authority', 'a:80'], true],
    ['OPTIONS for everything', [':method', 'OPTIONS', ':scheme', 'http', ':path', '*'], true],
    ['a hundred fields', [...get, ...many(100)], true],
    ['te: trailers', [...get, 'te', 'trailers'], true],
    ['bytes above ASCII in a value', [...get, 'x', '\xe9\xff'], true],
    ['an empty value', [...get, 'x', ''], true],
    ['no method', get.slice(2), false],
    ['no scheme', [':method', 'GET', ':path', '/'], false],
    ['no path', [':method', 'GET', ':scheme', 'http'], false],
    ['an empty path', [':method', 'GET', ':scheme', 'http', ':path', ''], false],
    ['a path that does not begin with a slash', [':method', 'GET', ':scheme', 'http', ':path', 'a'], false],
    ['a star that is not for OPTIONS', [':method', 'GET', ':scheme', 'http', ':path', '*'], false],
    ['a method with a blank', [':method', 'GE T', ':scheme', 'http', ':path', '/'], false],
    ['a protocol without CONNECT', [...get, ':protocol', 'websocket'], false],
    ['a CONNECT with a path and no protocol', [...websocket.slice(0, 2), ...websocket.slice(4)], false],
    ['a CONNECT without authority', [':method', 'CONNECT'], false],
    ['a pseudo field twice', [...get, ':path', '/b'], false],
    ['a pseudo field of responses', [...get, ':status', '200'], false],
    ['a pseudo field after the others', [...get.slice(2), 'x', 'y', ':method', 'GET'], false],
    ['a capital letter', [...get, 'X-A', 'b'], false],
    ['a name with a blank', [...get, 'x a', 'b'], false],
    ['an empty name', [...get, '', 'b'], false],
    ['a field of connections', [...get, 'connection', 'close'], false],
    ['transfer-encoding', [...get, 'transfer-encoding', 'chunked'], false],
    ['te: gzip', [...get, 'te', 'gzip'], false],
    ['a line feed in a value', [...get, 'x', 'a\nb'], false],
    ['a line end in the path', [':method', 'GET', ':scheme', 'http', ':path', '/\r\nx: y'], false],
    ['NUL in a value', [...get, 'x', 'a\0b'], false],
    ['a blank in front of a value', [...get, 'x', ' a'], false],
    ['a blank behind a value', [...get, 'x', 'a\t'], false],
    ['two lengths', [...get, 'content-length', '1', 'content-length', '1'], false],
    ['a length that is no number', [...get, 'content-length', '+1'], false],
    ['a length that is too long', [...get, 'content-length', '9'.repeat(16)], false],
  ];
  for (const [what, fields, isRequest] of rows)
    test(`${what} ${isRequest ? 'is a request' : 'is none'}`, () =>
      assert.equal(requestOf(fields) !== undefined, isRequest));

  test('a cookie in crumbs is one field, and pseudo fields are none', () => {
    const crumbs = (count: number) => Array.from({ length: count }, () => ['cookie', 'a=b']).flat();
    const counts = [
      [...get, ...many(100)],
      [...get, ...many(101)],
      [...get, ...many(99), ...crumbs(200)],
      [...get, ...many(100), ...crumbs(1)],
    ].map((fields) => hasTooMany(fields, 100));
    assert.deepEqual(counts, [false, true, false, true]);
  });

  test('responses and trailers have at most a hundred', () => {
    assert.notEqual(responseOf([':status', '200', ...many(100)]), undefined);
    assert.equal(responseOf([':status', '200', ...many(101)]), undefined);
    assert.notEqual(trailersOf(many(100)), undefined);
    assert.equal(trailersOf(many(101)), undefined);
  });

  test('what a request says', () => {
    const request = requestOf([...get, 'cookie', 'a=b', 'cookie', 'c=d', 'content-length', '12']);
    assert.deepEqual(
      [request?.method, request?.path, request?.authority, request?.protocol, request?.contentLength],
      ['GET', '/a?b', 'a', undefined, 12],
    );
    assert.deepEqual(request?.headers.getAll('cookie'), ['a=b', 'c=d']);
  });

  test('what a response says, and what is none', () => {
    assert.equal(responseOf([':status', '103', 'link', 'a', 'link', 'b'])?.headers.getAll('link').length, 2);
    for (const text of ['', '20', '2000', '2x0', '099', '101', '-10'])
      assert.equal(responseOf([':status', text]), undefined);
    assert.equal(responseOf(['x', 'y']), undefined);
    assert.equal(responseOf([':status', '200', ':path', '/']), undefined);
  });

  test('trailers have no pseudo fields', () => {
    assert.deepEqual(trailersOf(['grpc-status', '0']), ['grpc-status', '0']);
    assert.equal(trailersOf([':status', '200']), undefined);
  });

  test('what HTTP/1.1 alone knows is not sent', () => {
    const raw = ['Connection', 'x', 'Upgrade', 'a', 'Host', 'a', 'HTTP2-Settings', 'a', 'TE', 'gzip', 'X-B', 'c'];
    assert.deepEqual(appendFields([], [...raw, 'bad name', 'd']), ['x-b', 'c']);
    assert.deepEqual(appendFields([], ['te', 'trailers']), ['te', 'trailers']);
    assert.deepEqual(trailersToSend(['TE', 'trailers', 'a', 'b', 'a', 'c']), ['a', 'b', 'a', 'c']);
    assert.equal(trailersToSend(['connection', 'x']), undefined);
    assert.equal(trailersToSend(undefined), undefined);
  });

  test('secrets are not put into tables', () => {
    for (const name of ['authorization', 'cookie', 'set-cookie']) assert.equal(repeats(name), false);
    assert.equal(repeats('content-type'), true);
  });

  test('any list of fields is a request whose parts are clean, or none', () => {
    const name = fc.oneof(
      fc.constantFrom(':method', ':path', ':scheme', ':authority', 'te', 'content-length'),
      fc.string(),
    );
    const value = fc.oneof(fc.constantFrom('GET', '/', 'http', 'a', 'trailers', '5'), fc.string());
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 130 }), (pairs) => {
        const request = requestOf(pairs.flat());
        if (request === undefined) return;
        const texts = [request.method, request.path, ...request.headers.toRaw()];
        for (const text of texts) assert.ok(!/[\r\n\0]/u.test(text));
        assert.ok(request.headers.size <= 100);
      }),
    );
  });
});
