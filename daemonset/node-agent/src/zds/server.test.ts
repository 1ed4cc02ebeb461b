import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Version } from '@ambit/proto/zds';
import { silentLogger } from '@ambit/runtime/log';
import fc from 'fast-check';
import type { HeldPod } from '../enrol/netns-cache.ts';
import type { ZdsPods } from './connection.ts';
import { readAck } from './messages.ts';
import { ZdsServer } from './server.ts';
import { heldPod, scriptedProxy } from './testing.ts';

const holding = (pods: readonly HeldPod[]): ZdsPods => ({
  list: () => pods,
  get: (uid) => pods.find((pod) => pod.uid === uid),
});

const serverWith = (pods: readonly HeldPod[]): ZdsServer =>
  new ZdsServer({ pods: holding(pods), onProxies: () => undefined, log: silentLogger });

test('a new proxy gets every held pod and then the end of the snapshot', async () => {
  const server = serverWith([heldPod('one'), heldPod('two')]);
  const proxy = scriptedProxy();
  server.accept(proxy.channel);
  await server.add(heldPod('three'));
  assert.deepEqual(proxy.seen, ['add one', 'add two', 'snapshotSent', 'add three']);
});

test('a pod whose namespace was not found yet is kept by name, so that its traffic goes on', async () => {
  const proxy = scriptedProxy({ carriesDescriptors: true });
  const server = serverWith([heldPod('one')]);
  server.accept(proxy.channel);
  await server.delete('two');
  assert.deepEqual(proxy.seen, ['keep one', 'snapshotSent', 'del two']);
});

test('adds go to the newest proxy only, deletes to all', async () => {
  const server = serverWith([]);
  const [old, young] = [scriptedProxy(), scriptedProxy()];
  server.accept(old.channel);
  server.accept(young.channel);
  await server.add(heldPod('one'));
  await server.delete('one');
  assert.deepEqual(old.seen, ['snapshotSent', 'del one']);
  assert.deepEqual(young.seen, ['snapshotSent', 'add one', 'del one']);
});

test('a refused pod and an absent proxy are errors that name themselves', async () => {
  const server = serverWith([]);
  await assert.rejects(server.add(heldPod('one')), { code: 'ERR_NODE_AGENT_NO_PROXY' });
  server.accept(
    scriptedProxy({ answer: (request) => (request.startsWith('add') ? 'port 15001 is taken' : '') }).channel,
  );
  await assert.rejects(server.add(heldPod('one')), { code: 'ERR_NODE_AGENT_NACK', message: /port 15001 is taken/ });
  await server.delete('one');
});

test('a pod whose names do not fit into a message is refused before anything is sent', async () => {
  const server = serverWith([]);
  const proxy = scriptedProxy();
  server.accept(proxy.channel);
  await assert.rejects(
    server.add({
      ...heldPod('one'),
      workload: { name: 'n'.repeat(500), namespace: 'n'.repeat(400), serviceAccount: 's'.repeat(200) },
    }),
    {
      code: 'ERR_NODE_AGENT_ZDS',
    },
  );
  // The connection is not to blame: the next pod is taken.
  await server.add(heldPod('two'));
  assert.deepEqual(proxy.seen, ['snapshotSent', 'add two']);
});

test('a pod that cannot be told does not keep the others out of the snapshot', async () => {
  const long = {
    ...heldPod('long'),
    workload: { name: 'n'.repeat(900), namespace: 'n'.repeat(400), serviceAccount: 's' },
  };
  const proxy = scriptedProxy();
  const server = serverWith([long, heldPod('one')]);
  server.accept(proxy.channel);
  await server.add(heldPod('two'));
  assert.deepEqual(proxy.seen, ['add one', 'snapshotSent', 'add two']);
});

test("a pod that leaves while the snapshot is on its way is not sent: its descriptor may be another pod's by then", async () => {
  const held = new Map(['one', 'two'].map((uid) => [uid, heldPod(uid)]));
  const server = new ZdsServer({
    pods: { list: () => [...held.values()], get: (uid) => held.get(uid) },
    onProxies: () => undefined,
    log: silentLogger,
  });
  const proxy = scriptedProxy({
    answer: (request) => {
      if (request === 'add one') held.delete('two');
      return '';
    },
  });
  server.accept(proxy.channel);
  await server.delete('two');
  assert.deepEqual(proxy.seen, ['add one', 'snapshotSent', 'del two']);
});

test('when the newest proxy leaves, the one before gets the pods that it missed', async () => {
  const held: HeldPod[] = [heldPod('one')];
  const server = serverWith(held);
  const [old, young] = [scriptedProxy(), scriptedProxy()];
  server.accept(old.channel);
  server.accept(young.channel);
  await server.delete('none');
  held.push(heldPod('two'));
  await server.add(heldPod('two'));
  assert.deepEqual(old.seen, ['add one', 'snapshotSent', 'del none']);
  young.channel.close();
  await young.channel.closed;
  await server.delete('three');
  assert.deepEqual(old.seen, ['add one', 'snapshotSent', 'del none', 'add one', 'add two', 'del three']);
});

test('a proxy of another version is refused, with an error that says what to do', async () => {
  const lines: string[] = [];
  const log = {
    ...silentLogger,
    error: (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`),
  };
  const server = new ZdsServer({ pods: holding([heldPod('one')]), onProxies: () => undefined, log });
  const proxy = scriptedProxy({ hello: 7 as Version });
  server.accept(proxy.channel);
  await proxy.channel.closed;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(proxy.seen, []);
  assert.match(lines.join(), /speaks version 7, this agent speaks 1.*at most one version apart/);
  await assert.rejects(server.add(heldPod('one')), { code: 'ERR_NODE_AGENT_NO_PROXY' });
});

test('any bytes from a proxy are either an answer or an error with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        assert.equal(typeof readAck(bytes), 'string');
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_NODE_AGENT_ZDS');
      }
    }),
  );
});

test('the number of connected proxies is told with every one that comes or goes', async () => {
  const counts: number[] = [];
  const server = new ZdsServer({ pods: holding([]), onProxies: (count) => counts.push(count), log: silentLogger });
  const [old, young] = [scriptedProxy(), scriptedProxy()];
  for (const { channel } of [old, young]) server.accept(channel);
  await server.delete('none');
  for (const { channel } of [old, young]) {
    channel.close();
    await channel.closed;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(counts, [1, 2, 1, 0]);
});

test('a proxy that leaves while it is told that a pod is gone keeps nobody waiting: it has no pods any more', async () => {
  const leaving = scriptedProxy({
    // It takes the message and never answers.
    answer: (request) => {
      if (!request.startsWith('del')) return '';
      leaving.channel.close();
      return undefined;
    },
  });
  const server = serverWith([heldPod('one')]);
  server.accept(leaving.channel);
  const staying = scriptedProxy();
  server.accept(staying.channel);
  await server.delete('one');
  assert.ok(leaving.seen.includes('del one') && staying.seen.includes('del one'));
});

test('a refusal while the snapshot is sent stops nothing, and is remembered until the pod is taken', async () => {
  let refuses = true;
  const proxy = scriptedProxy({
    answer: (request) => (request.startsWith('add') && refuses ? 'port 15001 is taken' : ''),
  });
  const server = serverWith([heldPod('one')]);
  server.accept(proxy.channel);
  await server.delete('none');
  assert.deepEqual([proxy.seen[1], server.states()[0]?.refused], ['snapshotSent', { one: 'port 15001 is taken' }]);
  refuses = false;
  await server.add(heldPod('one'));
  assert.deepEqual(server.states()[0]?.refused, {});
});

test('what nobody waits for any more when its turn comes is not sent, and the connection stays', async () => {
  const proxy = scriptedProxy();
  const server = serverWith([]);
  server.accept(proxy.channel);
  const given = new AbortController();
  const [first, second, third] = [
    server.add(heldPod('one')),
    server.add(heldPod('two'), given.signal),
    server.add(heldPod('three'), new AbortController().signal),
  ];
  given.abort(new Error('the plugin went away'));
  await assert.rejects(second, /the plugin went away/);
  await Promise.all([first, third]);
  assert.deepEqual(proxy.seen, ['snapshotSent', 'add one', 'add three']);
});
