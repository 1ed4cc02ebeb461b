import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createZdsSession, type ZdsRequest } from './zds-protocol.ts';

const workload = { name: 'web-1', namespace: 'shop', serviceAccount: 'web' };
const add = (uid: string): ZdsRequest => ({ kind: 'add', uid, workload, netns: 9 });

test('a snapshot retains what was added or kept, and not what was deleted before it', () => {
  const session = createZdsSession({ needsNetns: true });
  assert.equal(session.receive(add('a')).kind, 'start');
  assert.equal(session.receive(add('b')).kind, 'start');
  assert.equal(session.receive({ kind: 'keep', uid: 'c' }).kind, 'nothing');
  assert.deepEqual(session.receive({ kind: 'del', uid: 'b' }), { kind: 'unqueue', uid: 'b' });
  assert.equal(session.complete, false);
  const step = session.receive({ kind: 'snapshot-sent' });
  assert.ok(step.kind === 'retain');
  assert.deepEqual([...step.uids], ['a', 'c']);
  assert.equal(session.complete, true);
});

test('a delete after the snapshot stops the pod', () => {
  const session = createZdsSession({ needsNetns: true });
  session.receive({ kind: 'snapshot-sent' });
  assert.deepEqual(session.receive({ kind: 'del', uid: 'a' }), { kind: 'stop', uid: 'a' });
});

test('a keep after the snapshot and a second snapshot are protocol errors', () => {
  const session = createZdsSession({ needsNetns: true });
  session.receive({ kind: 'snapshot-sent' });
  assert.equal(session.receive({ kind: 'keep', uid: 'a' }).kind, 'protocol-error');
  assert.equal(session.receive({ kind: 'snapshot-sent' }).kind, 'protocol-error');
});

test('an add needs workload info, and a descriptor on the packet transport only', () => {
  const packets = createZdsSession({ needsNetns: true });
  assert.equal(packets.receive({ kind: 'add', uid: 'a', workload: undefined, netns: 9 }).kind, 'protocol-error');
  assert.equal(packets.receive({ kind: 'add', uid: 'a', workload, netns: undefined }).kind, 'protocol-error');
  const stream = createZdsSession({ needsNetns: false });
  assert.equal(stream.receive({ kind: 'add', uid: 'a', workload, netns: undefined }).kind, 'start');
});
