import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerAllowances } from './peer-allowances.ts';
import { DEFAULT_LIMITS } from './tunnel.ts';

const limits = { ...DEFAULT_LIMITS, earlyResetBurst: 10, earlyResetPerSecond: 5 };

test('a peer begins again with what it left, until that is full', () => {
  const peers = new PeerAllowances(limits);
  const first = peers.take('a');
  while (first.resets.take(0));
  peers.leave('a', first, 0);
  assert.equal(peers.take('a').resets.take(0), false);
  assert.equal(peers.take('a').resets.take(200), true, 'it is refilled meanwhile');
  assert.equal(peers.take('b').resets.take(0), true, 'somebody else has his own');
  peers.leave('a', first, 10_000);
  assert.equal(peers.size, 0);
});

test('connections at the same time have buckets of their own', () => {
  const peers = new PeerAllowances(limits);
  const [one, other] = [peers.take('a'), peers.take('a')];
  while (one.broken.take(0));
  assert.equal(other.broken.take(0), true);
});

test('full buckets are forgotten, and not many are remembered', () => {
  const peers = new PeerAllowances(limits);
  const leaveEmpty = (name: string, nowMs: number): void => {
    const allowance = peers.take(name);
    while (allowance.resets.take(nowMs));
    peers.leave(name, allowance, nowMs);
  };
  for (let index = 0; index < 5000; index += 1) leaveEmpty(`peer ${index}`, 0);
  assert.equal(peers.size, 1024);
  assert.equal(peers.take('peer 4999').resets.take(0), false);
  leaveEmpty('late', 60_000);
  assert.equal(peers.size, 1);
});
