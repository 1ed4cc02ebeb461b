import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema } from '@ambit/proto/discovery';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock } from '@ambit/runtime/testing';
import { type Connection, createConnection, type ServerEvents } from './connection.ts';
import { decodeDeltaRequest } from './delta-request.ts';
import { createTurnQueue } from './push-queue.ts';
import { createResourceTable } from './resource-table.ts';

const TYPE = 'type.googleapis.com/istio.workload.Address';

/** A connection whose transport takes a response when it is told to. */
function opened(events: ServerEvents = {}, turns = createTurnQueue()) {
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
      turns,
      events,
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
  return { clock, waiting, ends, table, connection };
}

function ask(connection: Connection, responseNonce = ''): void {
  const node = { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' };
  const request = create(DeltaDiscoveryRequestSchema, { node, typeUrl: TYPE, responseNonce });
  connection.onRequest(decodeDeltaRequest(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request))));
}

test('a client that takes no data is cut in time, and one that takes it costs one timer for all responses', async () => {
  let cuts = 0;
  const { clock, waiting, ends, connection } = opened({ sendTimedOut: () => (cuts += 1) });
  ask(connection);
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
  assert.deepEqual([ends, cuts], [['ERR_XDS_LIMIT'], 1]);
  assert.equal(clock.pending, 0);
});

test('it tells how long a push waited for its turn, and how long the transport took', async () => {
  const told: (string | number)[][] = [];
  const { clock, waiting, connection } = opened(
    {
      taken: (_client, _typeUrl, pushMs, sendMs) => told.push(['taken', pushMs, sendMs]),
      dequeued: (_client, waitedMs) => told.push(['dequeued', waitedMs]),
      stale: (_client, typeUrl) => told.push(['stale', typeUrl]),
    },
    { ask: () => undefined, leave: () => undefined },
  );
  ask(connection);
  await clock.advance(20);
  waiting.shift()?.();
  connection.enqueue(new Map([[TYPE, { names: new Set(['gone-1']), forced: false }]]));
  await clock.advance(30);
  // What comes while it waits does not begin the wait anew.
  connection.enqueue(new Map([[TYPE, { names: new Set(['gone-2']), forced: false }]]));
  await clock.advance(10);
  connection.pushTurn();
  await clock.advance(5);
  waiting.shift()?.();
  ask(connection, 'of an older response');
  const wanted = [
    ['taken', 20, 20],
    ['dequeued', 40],
    ['taken', 5, 5],
    ['stale', TYPE],
  ];
  assert.deepEqual(told, wanted);
});

test('a failure of ours ends the stream and is counted, a mistake of the client is not', () => {
  let failures = 0;
  const { waiting, ends, table, connection } = opened({ failed: () => (failures += 1) });
  ask(connection);
  waiting.shift()?.();
  table.get = () => {
    throw new TypeError('broken');
  };
  connection.enqueue(new Map([[TYPE, { names: new Set(['pod1']), forced: false }]]));
  connection.pushTurn();
  assert.deepEqual([ends, failures], [['ERR_XDS_NOT_READY'], 1]);

  const other = opened({ failed: () => (failures += 1) });
  const request = create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE });
  other.connection.onRequest(decodeDeltaRequest(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request))));
  assert.deepEqual([other.ends, failures], [['ERR_XDS_INVALID_REQUEST'], 1]);
});
