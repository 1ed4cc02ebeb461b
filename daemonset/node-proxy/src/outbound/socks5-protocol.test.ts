import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { connectRequest, parseConnectReply, parseGreeting, parseRequest, socks5Reply } from './socks5-protocol.ts';

test('a greeting with "no authentication" is accepted, others are refused with code 7', () => {
  assert.deepEqual(parseGreeting(Buffer.from([5, 2, 0, 2])), {
    kind: 'reply',
    bytes: Buffer.from([5, 0]),
    consumed: 4,
  });
  assert.equal(parseGreeting(Buffer.from([5])).kind, 'more');
  const refused = parseGreeting(Buffer.from([5, 1, 2]));
  assert.ok(refused.kind === 'refuse');
  assert.equal(refused.bytes[1], 7);
  assert.equal(parseGreeting(Buffer.from([4, 1, 0])).kind, 'refuse');
});

test('requests name an IPv4 address, an IPv6 address or a domain', () => {
  const v4 = parseRequest(Buffer.from([5, 1, 0, 1, 10, 0, 0, 7, 0x1f, 0x90]));
  assert.deepEqual(v4, { kind: 'target', target: { ip: '10.0.0.7', port: 8080 }, consumed: 10 });
  const v6 = parseRequest(Buffer.from([5, 1, 0, 4, ...Array.from({ length: 15 }, () => 0), 1, 0, 80]));
  assert.ok(v6.kind === 'target');
  assert.equal(v6.target.ip, '0:0:0:0:0:0:0:1');
  const name = Buffer.concat([Buffer.from([5, 1, 0, 3, 4]), Buffer.from('Cart'), Buffer.from([0, 80, 9])]);
  assert.deepEqual(parseRequest(name), { kind: 'target', target: { domain: 'cart', port: 80 }, consumed: 11 });
});

test('commands other than CONNECT and odd names are refused', () => {
  assert.equal(parseRequest(Buffer.from([5, 2, 0, 1, 0, 0, 0, 0, 0, 0])).kind, 'refuse');
  assert.equal(parseRequest(Buffer.from([5, 1, 0, 3, 1, 0x20, 0, 80])).kind, 'refuse');
});

test('our own request is understood by our own parser, and its reply by the client side', () => {
  const bytes = connectRequest(Uint8Array.from([10, 96, 0, 1]), 443);
  const greeting = parseGreeting(bytes);
  assert.ok(greeting.kind === 'reply');
  const request = parseRequest(bytes.subarray(greeting.consumed));
  assert.ok(request.kind === 'target');
  assert.deepEqual(request.target, { ip: '10.96.0.1', port: 443 });
  const reply = Buffer.concat([greeting.bytes, socks5Reply(0)]);
  assert.equal(parseConnectReply(reply.subarray(0, 5)).kind, 'more');
  assert.deepEqual(parseConnectReply(reply), { kind: 'connected', consumed: 12 });
  assert.deepEqual(parseConnectReply(Buffer.concat([greeting.bytes, socks5Reply(4)])), { kind: 'refused', code: 4 });
});

test('no bytes make a parser throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      parseGreeting(Buffer.from(bytes));
      parseRequest(Buffer.from(bytes));
      parseConnectReply(Buffer.from(bytes));
    }),
  );
});
