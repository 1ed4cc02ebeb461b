import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatesOfPem, createPeerVerifier } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { parseAgentDump } from '../agent/dump.ts';
import { CertFollower } from './changes.ts';
import { type CertRow, certRows } from './list.ts';
import { spanText } from './span-text.ts';
import { judge } from './verify.ts';
import { rootRows } from './watch.ts';

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

const certificateOf = (fields: Partial<CertRow>): CertRow => ({
  identity: 'a',
  node: 'n1',
  state: 'Available',
  serial: '1',
  notBefore: '2026-01-01T00:00:00Z',
  notAfter: '2026-01-02T00:00:00Z',
  leftMs: 86_400_000,
  isValid: true,
  roots: ['7'],
  ...fields,
});

test('a watched certificate is told when it is issued, renewed, late, ended and gone, each once', () => {
  const follower = new CertFollower();
  const look = (rows: readonly CertRow[], nodes = ['n1']) =>
    follower.look(rows, new Set(nodes), 0).map(({ event, identity, serial }) => `${event} ${identity} ${serial}`);
  assert.deepEqual(look([certificateOf({})]), ['held a 1']);
  assert.deepEqual(look([certificateOf({}), certificateOf({ identity: 'b' })]), ['issued b 1']);
  assert.deepEqual(look([certificateOf({ serial: '2' })]), ['renewed a 2', 'gone b 1']);
  const hour = 3_600_000;
  assert.deepEqual(look([certificateOf({ serial: '2', leftMs: 9 * hour })]), []);
  assert.deepEqual(look([certificateOf({ serial: '2', leftMs: 7 * hour })]), ['late a 2']);
  assert.deepEqual(look([certificateOf({ serial: '2', leftMs: 6 * hour })]), [], 'it was said');
  assert.deepEqual(look([certificateOf({ serial: '2', leftMs: -1 })]), ['ended a 2']);
  assert.deepEqual(look([certificateOf({ serial: '3', roots: ['8'] })]), ['renewed a 3', 'roots a 3']);
  assert.deepEqual(look([certificateOf({ serial: '', notAfter: '', roots: ['8'] })]), ['lost a ']);
  assert.deepEqual(look([certificateOf({ serial: '4', roots: ['8'] })]), ['issued a 4']);
});

test('a node proxy that does not answer has lost nothing', () => {
  const follower = new CertFollower(60_000);
  follower.look([certificateOf({})], new Set(['n1']), 0);
  assert.deepEqual(follower.look([], new Set(), 0), []);
  assert.deepEqual(
    follower.look([certificateOf({ leftMs: 59_000 })], new Set(['n1']), 0).map(({ event }) => event),
    ['late'],
    'and it is known again, within the time that was asked for',
  );
});

test('the root of the mesh is watched as certificates are', () => {
  const [root, ...others] = rootRows(testCa().rootPem, Date.now());
  assert.deepEqual(others, []);
  assert.match(root?.identity ?? '', /^root \d+$/);
  assert.ok(root?.isValid === true && root.leftMs > 0);
});
