import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createZdsSession, type ZdsRequest } from './zds-protocol.ts';

const workload = { name: 'web-1', namespace: 'shop', serviceAccount: 'web' };
const del = (uid: string): ZdsRequest => ({ kind: 'del', uid, netns: undefined });
const keep = (uid: string): ZdsRequest => ({ kind: 'keep', uid, netns: undefined });
const snapshotSent: ZdsRequest = { kind: 'snapshot-sent', netns: undefined };
const add = (uid: string): ZdsRequest => ({ kind: 'add', uid, workload, netns: 9 });

test('a snapshot retains what was added or kept, and not what was deleted before it', () => {
  const session = createZdsSession({ needsNetns: true });
  assert.equal(session.receive(add('a')).kind, 'start');
  assert.equal(session.receive(add('b')).kind, 'start');
  assert.equal(session.receive(keep('c')).kind, 'nothing');
  assert.deepEqual(session.receive(del('b')), { kind: 'unqueue', uid: 'b' });
  assert.equal(session.complete, false);
  const step = session.receive(snapshotSent);
  assert.ok(step.kind === 'retain');
  assert.deepEqual([...step.uids], ['a', 'c']);
  assert.equal(session.complete, true);
});

test('a delete after the snapshot stops the pod', () => {
  const session = createZdsSession({ needsNetns: true });
  session.receive(snapshotSent);
  assert.deepEqual(session.receive(del('a')), { kind: 'stop', uid: 'a' });
});

test('a keep after the snapshot and a second snapshot are protocol errors', () => {
  const session = createZdsSession({ needsNetns: true });
  session.receive(snapshotSent);
  assert.equal(session.receive(keep('a')).kind, 'protocol-error');
  assert.equal(session.receive(snapshotSent).kind, 'protocol-error');
});

test('an add needs workload info, and a descriptor on the packet transport only', () => {
  const packets = createZdsSession({ needsNetns: true });
  assert.equal(packets.receive({ kind: 'add', uid: 'a', workload: undefined, netns: 9 }).kind, 'protocol-error');
  const message = 'add of a without a descriptor';
  assert.throws(() => packets.receive({ kind: 'add', uid: 'a', workload, netns: undefined }), { message });
  const stream = createZdsSession({ needsNetns: false });
  assert.equal(stream.receive({ kind: 'add', uid: 'a', workload, netns: undefined }).kind, 'start');
});

test('a descriptor that comes with anything but an add is a read error', () => {
  const session = createZdsSession({ needsNetns: true });
  for (const request of [del('a'), keep('a'), snapshotSent]) {
    assert.throws(() => session.receive({ ...request, netns: 9 }), { code: 'ERR_NODE_PROXY_ZDS' });
  }
  assert.equal(session.complete, false);
});
