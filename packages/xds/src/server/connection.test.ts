import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@ambit/proto/discovery';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock } from '@ambit/runtime/testing';
import { type Connection, createConnection, type ServerEvents } from './connection.ts';
import { decodeDeltaRequest } from './delta-request.ts';
import { createTurnQueue } from './push-queue.ts';
import { createResourceTable } from './resource-table.ts';

const TYPE = 'type.googleapis.com/istio.workload.Address';
const LATE_TYPE = 'type.googleapis.com/late';

/** A connection whose transport takes a response when it is told to. */
function opened(events: ServerEvents = {}, turns = createTurnQueue()) {
  const clock = createFakeClock();
  const waiting: (() => void)[] = [];
  const ends: string[] = [];
  const table = createResourceTable(TYPE);
  table.set({ name: 'pod1', version: 'v1', bytes: Buffer.from('v1') });
  /** Of a type whose removals come last. */
  const late = createResourceTable(LATE_TYPE, { removesLast: true, scope: () => ({ isPushed: () => true }) });
  const sent: string[] = [];
  /** What the client has, by type: versions by name. */
  const held = new Map<string, Map<string, string>>();
  const connection = createConnection(
    {
      sources: new Map([
        [LATE_TYPE, late],
        [TYPE, table],
      ]),
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
      write: (bytes, done) => {
        const { typeUrl, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
        if (typeUrl === LATE_TYPE) {
          sent.push(
            ...resources.map(({ name, version }) => `${name} ${version}`),
            ...removedResources.map((n) => `-${n}`),
          );
        }
        const mine = held.get(typeUrl) ?? new Map<string, string>();
        held.set(typeUrl, mine);
        for (const { name, version } of resources) mine.set(name, version);
        for (const name of removedResources) mine.delete(name);
        waiting.push(done);
      },
      pause: () => undefined,
      resume: () => undefined,
      finish: (error) => void ends.push(error?.code ?? 'OK'),
    },
    { id: 1, peer: '', identity: undefined },
  );
  return { clock, waiting, ends, table, late, sent, held, connection };
}

function ask(connection: Connection, responseNonce = '', typeUrl = TYPE): void {
  const node = { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' };
  const request = create(DeltaDiscoveryRequestSchema, { node, typeUrl, responseNonce });
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

test('what is back before its removal was sent is not removed', () => {
  const { waiting, table, late, sent, connection } = opened({}, { ask: () => undefined, leave: () => undefined });
  const put = (version: string): void => late.set({ name: 'routes', version, bytes: Buffer.from(version) });
  const announce = (...types: string[]): void => {
    const names = new Set(['routes', 'pod1']);
    connection.enqueue(new Map(types.map((typeUrl) => [typeUrl, { names, forced: false }])));
  };
  const turn = (): void => {
    connection.pushTurn();
    waiting.shift()?.();
  };
  put('v1');
  for (const typeUrl of [TYPE, LATE_TYPE]) {
    ask(connection, '', typeUrl);
    waiting.shift()?.();
  }
  // Gone together with a change that is sent before the removal.
  const removeLate = (): void => {
    late.delete('routes');
    table.set({ name: 'pod1', version: `v${sent.length + 2}`, bytes: Buffer.from('x') });
    announce(TYPE, LATE_TYPE);
    turn();
  };
  removeLate();
  put('v2');
  announce(LATE_TYPE);
  for (let round = 0; round < 3; round++) turn();
  assert.deepEqual(sent, ['routes v1', 'routes v2']);
  // The same when the news of its return is still on the way.
  removeLate();
  put('v3');
  for (let round = 0; round < 3; round++) turn();
  assert.deepEqual(sent, ['routes v1', 'routes v2']);
  announce(LATE_TYPE);
  turn();
  assert.deepEqual(sent, ['routes v1', 'routes v2', 'routes v3']);
  removeLate();
  for (let round = 0; round < 3; round++) turn();
  assert.deepEqual(sent.slice(3), ['-routes']);
});

test('whatever comes and goes between two turns, a client ends with what there is', () => {
  const types = [TYPE, LATE_TYPE];
  const step = fc.record({
    what: fc.constantFrom('put', 'delete', 'turn'),
    isAnnounced: fc.boolean(),
    type: fc.constantFrom(0, 1),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const name = 'routes';
      const { waiting, table, late, connection, held } = opened({}, { ask: () => undefined, leave: () => undefined });
      table.delete('pod1');
      const tables = [table, late];
      const changed = [new Set<string>(), new Set<string>()];
      for (const typeUrl of types) {
        ask(connection, '', typeUrl);
        waiting.shift()?.();
      }
      const announce = (): void => {
        connection.enqueue(
          new Map(types.map((typeUrl, at) => [typeUrl, { names: new Set(changed[at]), forced: false }])),
        );
        for (const names of changed) names.clear();
      };
      for (const [index, { what, isAnnounced, type }] of steps.entries()) {
        if (what === 'put') tables[type]?.set({ name, version: `v${index}`, bytes: Buffer.from('x') });
        if (what === 'delete') tables[type]?.delete(name);
        if (what === 'put' || what === 'delete') changed[type]?.add(name);
        if (isAnnounced) announce();
        if (what !== 'turn') continue;
        connection.pushTurn();
        waiting.shift()?.();
      }
      announce();
      for (let round = 0; round < 20; round++) {
        waiting.shift()?.();
        connection.pushTurn();
      }
      for (const [at, typeUrl] of types.entries()) {
        const wanted = [...(tables[at]?.names() ?? [])].map((name) => `${name} ${tables[at]?.get(name)?.version}`);
        assert.deepEqual(
          [...(held.get(typeUrl) ?? [])].map(([name, version]) => `${name} ${version}`).toSorted(),
          wanted.toSorted(),
        );
      }
    }),
    { numRuns: 1000 },
  );
});
