import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema } from '@ambit/proto/discovery';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock } from '@ambit/runtime/testing';
import { createConnection } from './connection.ts';
import { decodeDeltaRequest } from './delta-request.ts';
import { createTurnQueue } from './push-queue.ts';
import { createResourceTable } from './resource-table.ts';

const TYPE = 'type.googleapis.com/istio.workload.Address';

test('a client that takes no data is cut in time, and one that takes it costs one timer for all responses', async () => {
  const clock = createFakeClock();
  const waiting: (() => void)[] = [];
  const ends: string[] = [];
  const table = createResourceTable(TYPE);
  table.set({ name: 'pod1', version: 'v1', bytes: Buffer.from('v1') });
  const connection = createConnection(
    {
      sources: new Map([[TYPE, table]]),
      limits: { maxNames: 10, maxNameCharacters: 100 },
      clock,
      log: silentLogger,
      turns: createTurnQueue(),
      events: {},
      generation: () => 1,
      authorize: () => undefined,
      sendTimeoutMs: 1_000,
      debug: undefined,
    },
    {
      write: (_bytes, done) => void waiting.push(done),
      pause: () => undefined,
      resume: () => undefined,
      finish: (error) => void ends.push(error?.code ?? 'OK'),
    },
    { id: 1, peer: '', identity: undefined },
  );
  const request = create(DeltaDiscoveryRequestSchema, {
    node: { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' },
    typeUrl: TYPE,
  });
  connection.onRequest(decodeDeltaRequest(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request))));
  waiting.shift()?.();
  for (let index = 0; index < 18; index++) {
    connection.enqueue(new Map([[TYPE, { names: new Set([`gone-${index}`]), forced: false }]]));
    connection.pushTurn();
    await clock.advance(50);
    waiting.shift()?.();
  }
  assert.equal(clock.pending, 1);
  connection.enqueue(new Map([[TYPE, { names: new Set(['gone']), forced: false }]]));
  connection.pushTurn();
  await clock.advance(999);
  assert.deepEqual(ends, []);
  await clock.advance(1);
  assert.deepEqual(ends, ['ERR_XDS_LIMIT']);
  assert.equal(clock.pending, 0);
});
