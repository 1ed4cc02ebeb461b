import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AddWorkloadSchema,
  DelWorkloadSchema,
  SnapshotSentSchema,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
} from '@ambit/proto/zds';
import { silentLogger } from '@ambit/runtime/log';
import { runZdsClient, type ZdsPacket, type ZdsTransport } from './zds-client.ts';

/** A connection whose requests the test sends by hand. */
function fakeAgent() {
  const packets: PromiseWithResolvers<ZdsPacket | undefined>[] = [];
  const replies: string[] = [];
  let taken = 0;
  let given = 0;
  const slot = (index: number) => (packets[index] ??= Promise.withResolvers());
  const give = (packet: ZdsPacket | undefined): void => slot(given++).resolve(packet);
  let replied = Promise.withResolvers<string>();
  const transport: ZdsTransport = {
    receive: async () => slot(taken++).promise,
    send: async (bytes) => {
      if (bytes[0] === 0x08) return; // the hello
      const { payload } = fromBinary(WorkloadResponseSchema, bytes);
      replies.push(payload.case === 'ack' ? payload.value.error : 'no ack');
      replied.resolve(replies.at(-1) ?? '');
    },
    close: () => give(undefined),
  };
  const request = async (payload: WorkloadRequest['payload'], fds: readonly number[] = []): Promise<string> => {
    replied = Promise.withResolvers();
    give({ bytes: toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload })), fds });
    return replied.promise;
  };
  return { transport, request };
}

const add = (uid: string): WorkloadRequest['payload'] => ({
  case: 'add',
  value: create(AddWorkloadSchema, { uid, workloadInfo: { name: uid, namespace: 'shop', serviceAccount: uid } }),
});
const del = (uid: string): WorkloadRequest['payload'] => ({ case: 'del', value: create(DelWorkloadSchema, { uid }) });
const snapshotSent: WorkloadRequest['payload'] = { case: 'snapshotSent', value: create(SnapshotSentSchema) };

test('a draining process still ends pods that leave, takes no new ones and does not connect again', async () => {
  const agent = fakeAgent();
  const draining = new AbortController();
  const ended = new AbortController();
  const steps: string[] = [];
  const closed: number[] = [];
  let connections = 0;
  const client = runZdsClient({
    connect: async () => {
      connections += 1;
      return agent.transport;
    },
    needsNetns: true,
    handler: {
      onConnect: () => undefined,
      onDisconnect: () => undefined,
      perform: async (step) => void steps.push('uid' in step ? `${step.kind} ${step.uid}` : step.kind),
    },
    closeFd: (fd) => void closed.push(fd),
    onProtocolError: (error) => assert.fail(error),
    log: silentLogger,
    draining: draining.signal,
    signal: ended.signal,
  });
  assert.equal(await agent.request(add('a'), [7]), '');
  assert.equal(await agent.request(snapshotSent), '');
  draining.abort();
  assert.equal(await agent.request(del('a')), '');
  assert.equal(await agent.request(add('b'), [8]), 'failure to start proxy : the node proxy is draining');
  assert.deepEqual(steps, ['start a', 'retain', 'stop a']);
  assert.deepEqual(closed, [8]);
  ended.abort();
  await client;
  assert.equal(connections, 1);
});

test('a packet that cannot be read is told, its descriptors are closed, and the client connects again', async () => {
  const agents = [fakeAgent(), fakeAgent(), fakeAgent()];
  const ended = new AbortController();
  const closed: number[] = [];
  let connections = 0;
  const client = runZdsClient({
    connect: async () => agents[connections++]?.transport ?? assert.fail('connected once too often'),
    needsNetns: true,
    handler: { onConnect: () => undefined, onDisconnect: () => undefined, perform: async () => undefined },
    closeFd: (fd) => void closed.push(fd),
    onProtocolError: (error) => assert.fail(error),
    log: silentLogger,
    draining: new AbortController().signal,
    signal: ended.signal,
  });
  const [first, second, third] = agents;
  assert.match((await first?.request(add('a'), [])) ?? '', /^failure to read message : add of a without a descriptor/);
  assert.match((await second?.request(del('a'), [7, 8])) ?? '', /^failure to read message : del with a descriptor/);
  assert.equal(await third?.request(add('a'), [9]), '');
  assert.deepEqual(closed, [8, 7]);
  ended.abort();
  await client;
});
