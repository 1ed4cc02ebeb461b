import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyHeaderBytes } from './proxy-header.ts';

const source = { ip: '10.1.0.5', port: 40_000 };

test('the header names client, addressed destination and identity', () => {
  const header = proxyHeaderBytes(source, { ip: '10.96.0.20', port: 80 }, 'spiffe://td/ns/a/sa/b');
  assert.equal(header.subarray(0, 12).toString('hex'), '0d0a0d0a000d0a515549540a');
  assert.deepEqual([...header.subarray(12, 16)], [0x21, 0x11, 0, 12 + 3 + 21]);
  assert.deepEqual([...header.subarray(16, 28)], [10, 1, 0, 5, 10, 96, 0, 20, 0x9c, 0x40, 0, 80]);
  assert.deepEqual([...header.subarray(28, 31)], [0xd0, 0, 21]);
  assert.equal(header.subarray(31).toString(), 'spiffe://td/ns/a/sa/b');
});

test('mixed families are unspecified, and without an identity there is no extra field', () => {
  const header = proxyHeaderBytes(source, { ip: 'fd00::1', port: 80 }, undefined);
  assert.deepEqual([...header.subarray(12)], [0x21, 0x00, 0, 0]);
  assert.equal(proxyHeaderBytes({ ip: '::1', port: 1 }, { ip: 'fd00::1', port: 2 }, undefined).length, 16 + 36);
});
