import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipBytes, ipPrefix, ipText, masked } from './ip.ts';
import { durationMs } from './translate/waypoint-config/duration.ts';

test('addresses survive the way to bytes and back', () => {
  fc.assert(fc.property(fc.ipV4(), (text) => assert.equal(ipText(ipBytes(text) ?? new Uint8Array(4)), text)));
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const bytes = ipBytes(text);
      if (bytes === undefined) return;
      assert.deepEqual(ipBytes(ipText(bytes)), bytes);
    }),
  );
});

test('what is no address is refused', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (ipBytes(text) !== undefined) assert.ok(isIPv4(text) || isIPv6(text), text);
    }),
  );
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '0x7f.1',
    '1.2.3.4/8',
    'fe80::1%eth0',
    ':::',
    ' 1.2.3.4',
  ]) {
    assert.equal(ipBytes(text), undefined, text);
  }
});

test('prefixes keep host bits until they are masked', () => {
  const prefix = ipPrefix('10.1.2.3/12');
  assert.deepEqual([...(prefix?.bytes ?? [])], [10, 1, 2, 3]);
  assert.deepEqual([...masked(prefix ?? { bytes: new Uint8Array(4), length: 0 })], [10, 0, 0, 0]);
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/08', '/8'])
    assert.equal(ipPrefix(text), undefined, text);
});

test('an IPv4-mapped address keeps its sixteen bytes', () => {
  assert.equal(ipBytes('::ffff:10.0.0.1')?.length, 16);
  assert.equal(ipText(ipBytes('::ffff:10.0.0.1') ?? new Uint8Array(16)), '::ffff:10.0.0.1');
});

test('durations are sums of their parts, and nothing else is one', () => {
  const cases: [string, number | undefined][] = [
    ['0s', 0],
    ['10ms', 10],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['', undefined],
    ['10', undefined],
    ['s', undefined],
    ['1x', undefined],
    ['1.5s', undefined],
    ['-1s', undefined],
  ];
  for (const [text, ms] of cases) assert.equal(durationMs(text), ms, text);
  fc.assert(fc.property(fc.string(), (text) => assert.ok((durationMs(text) ?? 0) >= 0)));
});
