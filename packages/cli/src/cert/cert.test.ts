import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatesOfPem, createPeerVerifier } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { parseAgentDump } from '../agent/dump.ts';
import { certRows } from './list.ts';
import { spanText } from './span-text.ts';
import { judge } from './verify.ts';

test('a length of time has two units at most', () => {
  assert.deepEqual([0, -5, 59_000, 3_600_000, 86_400_000 * 3 + 3_600_000 * 4 + 5000].map(spanText), [
    'ended',
    'ended',
    '59s',
    '1h 0m',
    '3d 4h',
  ]);
});

test('a certificate is valid between its times, and an identity without one is not', () => {
  const certificate = { validFrom: '2026-01-01T00:00:00Z', expirationTime: '2026-01-02T00:00:00Z' };
  const dump = parseAgentDump(
    JSON.stringify({
      workloads: [],
      services: [],
      policies: [],
      certificates: [
        { identity: 'a', state: 'Available', certChain: [certificate], rootCerts: [{ serialNumber: '7' }] },
        { identity: 'b', state: 'Unavailable: no answer', certChain: [] },
      ],
    }),
    'test',
  );
  const at = (time: string) => certRows(dump, 'node-1', Date.parse(time)).map(({ isValid }) => isValid);
  assert.deepEqual(at('2026-01-01T12:00:00Z'), [true, false]);
  assert.deepEqual(at('2026-01-03T00:00:00Z'), [false, false]);
  assert.deepEqual(at('2025-12-31T00:00:00Z'), [false, false]);
  const [first, second] = certRows(dump, 'node-1', Date.parse('2026-01-01T12:00:00Z'));
  assert.deepEqual([first?.leftMs, first?.roots, second?.state], [43_200_000, ['7'], 'Unavailable']);
});

test('a shown chain is good for the expected identity alone, and under the root of the mesh alone', async () => {
  const [ca, stranger] = [testCa(), testCa()];
  const expected = ca.identity('shop', 'reviews');
  const shown = certificatesOfPem((await ca.issue(expected)).certChainPem);
  const verdictOf = (rootPem: string, identity: string) =>
    judge(shown, createPeerVerifier({ roots: rootPem, peerRole: 'server', expected: [identity] }), Date.now());
  const good = verdictOf(ca.rootPem, expected);
  assert.equal(good.verdict, 'ok', good.reason);
  assert.ok(good.leftMs > 0);
  assert.equal(verdictOf(ca.rootPem, ca.identity('shop', 'ratings')).verdict, 'failed');
  const other = verdictOf(stranger.rootPem, expected);
  assert.deepEqual([other.verdict, other.notAfter], ['failed', '']);
  assert.notEqual(other.reason, '');
  assert.equal(judge([], createPeerVerifier({ roots: ca.rootPem, peerRole: 'server' }), 0).verdict, 'failed');
});
