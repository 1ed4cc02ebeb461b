import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SourceConduct } from './source-conduct.ts';
import { DEFAULT_LIMITS } from './tunnel.ts';

const limits = { ...DEFAULT_LIMITS, offenderHandshakeBurst: 3, offenderHandshakesPerSecond: 2 };

function offend(conduct: SourceConduct, source: string, nowMs: number, peer = 'bad'): boolean {
  conduct.sessionBegan(source, peer);
  return conduct.sessionEnded(source, peer, true, nowMs);
}

test('who behaves never waits', () => {
  const conduct = new SourceConduct(limits);
  for (let index = 0; index < 1000; index += 1) {
    assert.equal(conduct.waitMs('1.1.1.1', index), 0);
    conduct.sessionBegan('1.1.1.1', 'good');
    assert.equal(conduct.sessionEnded('1.1.1.1', 'good', false, index), false);
  }
  assert.equal(conduct.watched, 0);
});

test('after an offence handshakes are paced, the last ones refused, and others are not touched', () => {
  const conduct = new SourceConduct(limits);
  assert.equal(offend(conduct, '1.1.1.1', 0), true, 'news');
  assert.equal(offend(conduct, '1.1.1.1', 0), false, 'known');
  const waits = Array.from({ length: 14 }, () => conduct.waitMs('1.1.1.1', 0));
  assert.deepEqual(waits, [0, 0, 0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000, undefined]);
  assert.equal(conduct.waitMs('2.2.2.2', 0), 0);
  // What was refused does not make the queue longer.
  assert.equal(conduct.waitMs('1.1.1.1', 500), 5000);
});

test('an address is forgotten some time after its last offence', () => {
  const conduct = new SourceConduct(limits);
  offend(conduct, '1.1.1.1', 0);
  for (let index = 0; index < 6; index += 1) conduct.waitMs('1.1.1.1', 0);
  offend(conduct, '1.1.1.1', 1000);
  assert.ok((conduct.waitMs('1.1.1.1', 1000) ?? 0) > 0, 'an offence does not begin anew');
  assert.equal(conduct.waitMs('1.1.1.1', 10_999), 0);
  assert.equal(conduct.waitMs('1.1.1.1', 11_000), 0);
  assert.equal(conduct.watched, 0);
});

test('an address that others are connected from is not slowed for one of them', () => {
  const conduct = new SourceConduct(limits);
  conduct.sessionBegan('1.1.1.1', 'good');
  conduct.sessionBegan('1.1.1.1', 'good');
  offend(conduct, '1.1.1.1', 0);
  const burst = (): number =>
    Array.from({ length: 10 }, () => conduct.waitMs('1.1.1.1', 0)).filter((ms) => ms !== 0).length;
  assert.equal(burst(), 0);
  conduct.sessionEnded('1.1.1.1', 'good', false, 0);
  assert.equal(burst(), 0, 'one of two is still there');
  conduct.sessionEnded('1.1.1.1', 'good', false, 0);
  assert.equal(burst(), 7);
});

test('not many addresses are watched', () => {
  const conduct = new SourceConduct(limits);
  for (let index = 0; index < 5000; index += 1) offend(conduct, `source ${index}`, index);
  assert.equal(conduct.watched, 1024);
  for (let index = 0; index < 3; index += 1) conduct.waitMs('source 4999', 5000);
  assert.ok((conduct.waitMs('source 4999', 5000) ?? 0) > 0);
  assert.equal(conduct.waitMs('source 0', 5000), 0);
});
