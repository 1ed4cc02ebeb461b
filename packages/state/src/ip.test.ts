import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';

import fc from 'fast-check';

import { canonicalIp, familyOf, formatIpPort, ipOfBytes } from './ip.ts';

test('one address has one text', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['FD00:0:0::1', 'fd00::1'],
    ['fd00:0:0:1:0:0:0:1', 'fd00:0:0:1::1'],
    ['::', '::'],
    ['010.0.0.1', undefined],
    ['10.0.1', undefined],
    ['10.0.0.256', undefined],
    ['10.0.0.1 ', undefined],
    ['10.0.0.', undefined],
    ['.10.0.0', undefined],
    ['0x7f.0.0.1', undefined],
    ['1:2', undefined],
    ['[::1]', undefined],
    ['', undefined],
    ['a'.repeat(10_000), undefined],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalIp(text), expected, text);
});

test('addresses of 4 and 16 bytes have a canonical text, others none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const text = ipOfBytes(bytes);
      assert.equal(text !== undefined, bytes.length === 4 || bytes.length === 16);
      if (text === undefined) return;
      assert.equal(canonicalIp(text), text);
      assert.equal(familyOf(text) === 4 ? isIPv4(text) : isIPv6(text), true);
    }),
  );
});

test('the canonical text of any valid address is stable, of anything else there is none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 50 })), (text) => {
      const canonical = canonicalIp(text);
      if (canonical === undefined) assert.equal(isIPv4(text), false);
      else assert.equal(canonicalIp(canonical), canonical);
    }),
  );
});

test('IPv6 gets brackets before a port', () => {
  assert.equal(formatIpPort('10.0.0.1', 80), '10.0.0.1:80');
  assert.equal(formatIpPort('fd00::1', 80), '[fd00::1]:80');
});
