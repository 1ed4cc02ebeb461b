// Hundreds of clients that lose their server at the same moment and all come back: nobody is lost, nobody is told anything twice.
// `bench control-plane` does the same with ten thousand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceTable } from './server.ts';
import { createResourceTable } from './server.ts';
import { openRawClient, type RawXdsClient, startTestXdsServer } from './testing/index.ts';

const TYPE = 'type.googleapis.com/test.Thing';
const CLIENTS = 300;
const RESOURCES = 100;
/** Long, because a loaded machine may do everything one after the other. */
const DEADLINE_MS = 100_000;

function table(changed?: string): ResourceTable {
  const made = createResourceTable(TYPE);
  for (let i = 0; i < RESOURCES; i++) {
    const name = `thing-${i}`;
    made.set({ name, bytes: Buffer.from(name === changed ? 'changed' : name) });
  }
  return made;
}

/** Opens a stream that knows `versions`, waits for the first answer and acknowledges it. */
async function join(address: string, index: number, versions: Readonly<Record<string, string>>) {
  const stream: RawXdsClient = openRawClient(address);
  stream.send({
    node: { id: `ztunnel~10.0.0.1~ztunnel-${index}.istio-system~istio-system.svc.cluster.local` },
    typeUrl: TYPE,
    initialResourceVersions: versions,
  });
  const response = await stream.next(DEADLINE_MS);
  assert.ok(response, `client ${index} got an answer`);
  stream.send({ typeUrl: TYPE, responseNonce: response.nonce });
  return { stream, response };
}

test(
  'hundreds of clients come back after a restart, and each is sent the one thing that changed',
  { timeout: 110_000 },
  async () => {
    const first = await startTestXdsServer([table()]);
    const { port } = first;
    const everybody = Array.from({ length: CLIENTS }, (_, index) => index);
    const before = await Promise.all(everybody.map(async (index) => join(first.address, index, {})));
    assert.equal(first.xds.connections, CLIENTS);
    assert.ok(before.every(({ response }) => response.resources.length === RESOURCES));
    const versions = Object.fromEntries(
      (before[0]?.response.resources ?? []).map(({ name, version }) => [name, version]),
    );
    await first.stop();
    await Promise.all(before.map(async ({ stream }) => stream.status));

    await using second = await startTestXdsServer([table('thing-7')], { port });
    const after = await Promise.all(everybody.map(async (index) => join(second.address, index, versions)));
    assert.equal(second.xds.connections, CLIENTS);
    for (const { response } of after) {
      assert.deepEqual(
        response.resources.map(({ name }) => name),
        ['thing-7'],
      );
      assert.deepEqual(response.removedResources, []);
    }
    for (const { stream } of after) stream.close();
    await Promise.all(after.map(async ({ stream }) => stream.status));
  },
);

test('clients over the rate of new streams are told to come later, and get in when they do', async () => {
  await using server = await startTestXdsServer([table()], { maxStreamsPerSecond: 20 });
  const streams = Array.from({ length: 200 }, () => openRawClient(server.address));
  for (const [index, stream] of streams.entries()) {
    stream.send({ node: { id: `ztunnel~10.0.0.1~z-${index}.a~a.svc.cluster.local` }, typeUrl: TYPE });
  }
  const refused = await Promise.race(streams.map(async (stream) => stream.status));
  assert.equal(refused.code, 8, 'RESOURCE_EXHAUSTED');
  for (const stream of streams) stream.close();
  let answer: unknown;
  for (let attempt = 0; answer === undefined && attempt < 200; attempt++) {
    const again = openRawClient(server.address);
    again.send({ node: { id: 'ztunnel~10.0.0.1~again.a~a.svc.cluster.local' }, typeUrl: TYPE });
    answer = await again.next(DEADLINE_MS);
    again.close();
  }
  assert.ok(answer);
});
