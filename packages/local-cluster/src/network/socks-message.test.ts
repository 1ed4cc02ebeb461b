import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildConnect, buildReply, parseGreeting, parseRequest } from './socks-message.ts';

test('what is built is read back', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 65_535 }), (ip, port) => {
      const bytes = buildConnect(ip, port);
      const greeting = parseGreeting(bytes);
      assert.equal(greeting.kind, 'greeting');
      const parsed = parseRequest(bytes.subarray(greeting.kind === 'greeting' ? greeting.bytes : 0));
      assert.deepEqual(parsed, { kind: 'request', request: { command: 1, host: ip, port, bytes: 10 } });
      assert.equal(buildReply(0, ip, port).length, 10);
    }),
  );
});

test('a request that is not complete asks for more, nonsense is refused, nothing breaks', () => {
  assert.deepEqual(parseRequest(Buffer.from([5, 1, 0, 3, 9, 97])), { kind: 'more' });
  assert.deepEqual(parseGreeting(Buffer.from([4, 1])), { kind: 'bad' });
  assert.deepEqual(parseGreeting(Buffer.from([5, 1, 2])), { kind: 'bad' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      parseGreeting(Buffer.from(bytes));
      parseRequest(Buffer.from(bytes));
    }),
  );
});
