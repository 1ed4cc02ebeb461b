import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConnectionRecord, type LookIntoPod, UnprotectedConnections } from './connections.ts';
import type { TableConnection } from './table.ts';
import { openConnection } from './testing.ts';

const old = openConnection('10.0.0.1:8080', '10.0.0.2:40000', 7);
const other = openConnection('10.0.0.1:8080', '10.0.0.2:40001', 8);

const look = (uncarried: readonly TableConnection[], connections = uncarried): LookIntoPod => ({
  uncarried: () => uncarried,
  connections: () => connections,
});

/** A record in memory. */
function recordOf(): ConnectionRecord & { readonly kept: Map<string, readonly TableConnection[]> } {
  const kept = new Map<string, readonly TableConnection[]>();
  return {
    kept,
    read: (uid, netns) => kept.get(`${uid} ${netns}`),
    write: (uid, netns, connections) => void kept.set(`${uid} ${netns}`, connections),
    remove: (uid) => {
      for (const key of kept.keys()) if (key.startsWith(`${uid} `)) kept.delete(key);
    },
  };
}

test('only connections from before the enrolment count, until they end', () => {
  const unprotected = new UnprotectedConnections();
  unprotected.begin('uid', 1n, look([old]));
  unprotected.settle('uid');
  assert.equal(unprotected.count('uid'), 1);
  assert.equal(unprotected.refresh('uid', [old, other]), 1);
  assert.equal(unprotected.refresh('uid', [other]), 0);
  assert.equal(unprotected.total(), 0);
});

test('a new connection with the addresses of one that has ended is another one', () => {
  const unprotected = new UnprotectedConnections();
  unprotected.begin('uid', 1n, look([old]));
  assert.equal(unprotected.refresh('uid', [{ ...old, socket: '99' }]), 0);
});

test('a connection that was not accepted yet is known by its number from then on', () => {
  const unprotected = new UnprotectedConnections();
  unprotected.begin('uid', 1n, look([{ ...old, socket: '0' }]));
  assert.equal(unprotected.refresh('uid', [old]), 1);
  assert.equal(unprotected.refresh('uid', [{ ...old, socket: '99' }]), 0);
});

test('rules that are made again in the same namespace change nothing; those of a new sandbox begin anew', () => {
  const unprotected = new UnprotectedConnections();
  unprotected.begin('uid', 1n, look([old]));
  unprotected.settle('uid');
  unprotected.begin('uid', 1n, look([old, other]));
  assert.deepEqual(unprotected.of('uid'), [old]);
  unprotected.begin('uid', 2n, look([other]));
  assert.deepEqual(unprotected.of('uid'), [other]);
});

test('after rules that failed, or that somebody took away, what was opened meanwhile counts', () => {
  const unprotected = new UnprotectedConnections(recordOf());
  unprotected.begin('uid', 1n, look([old]));
  unprotected.begin('uid', 1n, look([old, other]));
  assert.equal(unprotected.count('uid'), 2);
  unprotected.settle('uid');
  unprotected.unsettle('uid');
  unprotected.begin('uid', 1n, look([old]));
  assert.deepEqual(unprotected.of('uid'), [old]);
});

test('the next agent knows what was open and still is, and looks into no table for more', () => {
  const record = recordOf();
  const first = new UnprotectedConnections(record);
  first.begin('uid', 1n, look([old, other]));
  first.settle('uid');
  first.refresh('uid', [old, other]);
  const next = new UnprotectedConnections(record);
  const carried = openConnection('10.0.0.1:8080', '10.0.0.9:1000', 50);
  next.begin('uid', 1n, look([carried], [old, carried]));
  assert.deepEqual(next.of('uid'), [old]);
});

test('a pod without old connections is recorded too: its successor would ask the table otherwise', () => {
  const record = recordOf();
  const first = new UnprotectedConnections(record);
  first.begin('uid', 1n, look([]));
  assert.equal(record.kept.size, 0, 'not before the rules are there');
  first.settle('uid');
  const next = new UnprotectedConnections(record);
  next.begin('uid', 1n, look([old]));
  assert.equal(next.count('uid'), 0);
  next.forget('uid');
  assert.equal(record.kept.size, 0);
});

test('the record of another namespace is not believed', () => {
  const record = recordOf();
  record.write('uid', 1n, [old]);
  const next = new UnprotectedConnections(record);
  next.begin('uid', 2n, look([other]));
  assert.deepEqual(next.of('uid'), [other]);
});
