import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAuthority } from './dispatch.ts';
import { forwardedFor } from './tunnel.ts';

describe('an authority', () => {
  const cases: [string, unknown][] = [
    ['10.0.0.1:80', { host: '10.0.0.1', port: 80, ip: '10.0.0.1' }],
    ['[2001:db8::1]:80', { host: '2001:db8::1', port: 80, ip: '2001:db8::1' }],
    ['Reviews.apps.svc:80', { host: 'reviews.apps.svc', port: 80, ip: undefined }],
    ['10.0.0.1', undefined],
    ['10.0.0.1:0', undefined],
    ['10.0.0.1:65536', undefined],
    ['10.0.0.1:+80', undefined],
    ['10.0.0.1: 80', undefined],
    [':80', undefined],
    ['2001:db8::1:80', undefined],
    ['[10.0.0.1:80', undefined],
    ['user@host:80', undefined],
    ['a/b:80', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} is ${expected === undefined ? 'refused' : 'read'}`, () => {
      assert.deepEqual(parseAuthority(text), expected);
    });
  }
  test('of any kind never throws and never gives a port outside 1 to 65535', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const authority = parseAuthority(text);
        assert.ok(authority === undefined || (authority.port >= 1 && authority.port <= 65_535));
      }),
    );
  });
});

test('the client address of a forwarded header', () => {
  assert.deepEqual(forwardedFor('for="10.1.2.3:5";host=a'), { ip: '10.1.2.3', text: '10.1.2.3:5' });
  assert.deepEqual(forwardedFor('host=a; for="[::1]:5"'), { ip: '::1', text: '[::1]:5' });
  assert.equal(forwardedFor('host=a'), undefined);
  assert.equal(forwardedFor(undefined), undefined);
});
