import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseReference, splitPort } from './reference.ts';

test('every way to name a thing is understood', () => {
  assert.deepEqual(parseReference('curl'), { kind: 'any', name: 'curl' });
  assert.deepEqual(parseReference('curl.shop'), { kind: 'any', name: 'curl', namespace: 'shop' });
  assert.deepEqual(parseReference('deploy/curl.shop'), { kind: 'deployment', name: 'curl', namespace: 'shop' });
  assert.deepEqual(parseReference('node/a.b.c'), { kind: 'node', name: 'a.b.c' });
  assert.deepEqual(parseReference('10.0.0.1'), { kind: 'address', ip: '10.0.0.1' });
  assert.deepEqual(parseReference('fd00::1'), { kind: 'address', ip: 'fd00::1' });
  assert.deepEqual(parseReference('web.shop.svc.cluster.local'), {
    kind: 'hostname',
    hostname: 'web.shop.svc.cluster.local',
  });
  assert.equal(parseReference('spiffe://cluster.local/ns/a/sa/b').kind, 'principal');
});

test('a port is taken off the end, also of an IPv6 address in brackets', () => {
  assert.deepEqual(splitPort('svc/web:80'), { target: 'svc/web', port: 80 });
  assert.deepEqual(splitPort('[fd00::1]:80'), { target: 'fd00::1', port: 80 });
  assert.deepEqual(splitPort('fd00::1'), { target: 'fd00::1' });
  assert.throws(() => splitPort('web:0'), { code: 'ERR_CLI_INVALID' });
});

test('whatever is typed, the answer is a reference or an error that says what can be typed', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseReference(text);
        splitPort(text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_CLI_INVALID');
      }
    }),
  );
});
