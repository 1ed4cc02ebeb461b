import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from '@ambit/proto/zds';
import { silentLogger } from '@ambit/runtime/log';
import fc from 'fast-check';
import type { HeldPod } from '../enrol/netns-cache.ts';
import type { ZdsChannel } from './channel.ts';
import { readAck } from './messages.ts';
import { ZdsServer } from './server.ts';

const pod = (uid: string): HeldPod => ({
  uid,
  workload: { name: uid, namespace: 'shop', serviceAccount: 'sa' },
  ips: ['10.0.0.1'],
  netns: undefined,
  isCaptured: true,
});

/** A proxy that says hello and answers every request with `answer`. */
function fakeProxy(
  answer: (kind: string) => string = () => '',
  carriesDescriptors = false,
): {
  readonly channel: ZdsChannel;
  readonly seen: string[];
} {
  const seen: string[] = [];
  const outgoing: Uint8Array[] = [toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }))];
  const closed = Promise.withResolvers<void>();
  return {
    seen,
    channel: {
      carriesDescriptors,
      send: async (message) => {
        const { payload } = fromBinary(WorkloadRequestSchema, message);
        seen.push(
          payload.case === 'add' || payload.case === 'del' || payload.case === 'keep'
            ? `${payload.case} ${payload.value.uid}`
            : String(payload.case),
        );
        outgoing.push(
          toBinary(
            WorkloadResponseSchema,
            create(WorkloadResponseSchema, { payload: { case: 'ack', value: { error: answer(payload.case ?? '') } } }),
          ),
        );
      },
      receive: async () => outgoing.shift(),
      close: () => closed.resolve(),
      closed: closed.promise,
    },
  };
}

const serverWith = (pods: readonly HeldPod[]): ZdsServer =>
  new ZdsServer({ snapshot: () => pods, onProxies: () => undefined, log: silentLogger });

test('a new proxy gets every held pod and then the end of the snapshot', async () => {
  const server = serverWith([pod('one'), pod('two')]);
  const proxy = fakeProxy();
  server.accept(proxy.channel);
  await server.add(pod('three'));
  assert.deepEqual(proxy.seen, ['add one', 'add two', 'snapshotSent', 'add three']);
});

test('a pod whose namespace was not found yet is kept by name, so that its traffic goes on', async () => {
  const proxy = fakeProxy(undefined, true);
  const server = serverWith([pod('one')]);
  server.accept(proxy.channel);
  await server.delete('two');
  assert.deepEqual(proxy.seen, ['keep one', 'snapshotSent', 'del two']);
});

test('adds go to the newest proxy only, deletes to all', async () => {
  const server = serverWith([]);
  const [old, young] = [fakeProxy(), fakeProxy()];
  server.accept(old.channel);
  server.accept(young.channel);
  await server.add(pod('one'));
  await server.delete('one');
  assert.deepEqual(old.seen, ['snapshotSent', 'del one']);
  assert.deepEqual(young.seen, ['snapshotSent', 'add one', 'del one']);
});

test('a refused pod and an absent proxy are errors that name themselves', async () => {
  const server = serverWith([]);
  await assert.rejects(server.add(pod('one')), { code: 'ERR_NODE_AGENT_NO_PROXY' });
  server.accept(fakeProxy((kind) => (kind === 'add' ? 'port 15001 is taken' : '')).channel);
  await assert.rejects(server.add(pod('one')), { code: 'ERR_NODE_AGENT_NACK', message: /port 15001 is taken/ });
  await server.delete('one');
});

test('a pod whose names do not fit into a message is refused before anything is sent', async () => {
  const server = serverWith([]);
  const proxy = fakeProxy();
  server.accept(proxy.channel);
  await assert.rejects(
    server.add({
      ...pod('one'),
      workload: { name: 'n'.repeat(500), namespace: 'n'.repeat(400), serviceAccount: 's'.repeat(200) },
    }),
    {
      code: 'ERR_NODE_AGENT_ZDS',
    },
  );
  assert.deepEqual(proxy.seen, ['snapshotSent']);
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
