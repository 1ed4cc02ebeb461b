// Dialogues with the server's protocol core; rows S and G of spec control-plane 4.4.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MessageInitShape, create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, NodeSchema } from '@ambit/proto/discovery';
import fc from 'fast-check';
import type { ClientInfo } from './client-info.ts';
import { decodeDeltaRequest } from './delta-request.ts';
import { createDeltaSession } from './delta-session.ts';
import { parseNode } from './node.ts';
import { type ResourceTableOptions, createResourceTable } from './resource-table.ts';

const TYPE = 'type.googleapis.com/istio.workload.Address';

/** A session over a table, spoken to as a client would. */
function dialogue(options: ResourceTableOptions = {}, names: Record<string, readonly string[]> = {}) {
  const table = createResourceTable(TYPE, options);
  const put = (name: string, version = 'v1'): void =>
    table.set({ name, version, bytes: Buffer.from(name), aliases: names[name] ?? [] });
  for (const name of Object.keys(names)) put(name);
  const node = create(DeltaDiscoveryRequestSchema, {
    node: { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' },
  }).node;
  const client: ClientInfo = {
    connectionId: 1,
    node: parseNode(node),
    identity: undefined,
    peer: '127.0.0.1:1',
    connectedAtMs: 0,
  };
  const session = createDeltaSession({
    sources: new Map([[TYPE, table]]),
    client: () => client,
    limits: { maxNames: 1000, maxNameCharacters: 100 },
  });
  let nonce = 0;
  const seen = (
    response: ReturnType<typeof session.push>,
  ): { resources: string[]; removed: string[]; aliases: boolean } | undefined => {
    if (response === undefined) return undefined;
    nonce += 1;
    session.markSent(response, `n${nonce}`, nonce, 0);
    return {
      resources: response.resources.map((resource) => resource.name).sort(),
      removed: [...response.removed].sort(),
      aliases: response.withAliases,
    };
  };
  return {
    table,
    put,
    session,
    say(init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) {
      const outcome = session.request(
        decodeDeltaRequest(
          Buffer.from(
            toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE, ...init })),
          ),
        ),
      );
      return outcome.kind === 'respond' ? seen(outcome.response) : outcome.kind;
    },
    push: (changed: string[], forced = false) => seen(session.push(TYPE, { names: new Set(changed), forced })),
  };
}

const PODS = { pod1: ['/10.0.0.1'], pod2: ['/10.0.0.2'], 'ns/svc': ['/10.96.0.1'] };
const SERVICE_LOOKUP: ResourceTableOptions = {
  lookup: (key) =>
    key === '/10.96.0.1' || key === 'ns/svc'
      ? ['ns/svc', 'pod1', 'pod2']
      : key in PODS
        ? [key]
        : Object.entries(PODS)
            .filter(([, aliases]) => aliases.includes(key))
            .map(([name]) => name),
};
const NOTHING = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] };

test('a first request without names is a wildcard, and so is a star', () => {
  for (const names of [[], ['*']]) {
    const talk = dialogue({}, PODS);
    assert.deepEqual(talk.say({ resourceNamesSubscribe: names }), {
      resources: ['ns/svc', 'pod1', 'pod2'],
      removed: [],
      aliases: false,
    });
    assert.equal(talk.say({ responseNonce: 'n1' }), 'acked');
  }
});

test('held versions are not sent again, stale and empty ones are, unknown names are removed', () => {
  const talk = dialogue({}, PODS);
  assert.deepEqual(talk.say({ initialResourceVersions: { pod1: 'v1', pod2: 'old', 'ns/svc': '', gone: 'v1' } }), {
    resources: ['ns/svc', 'pod2'],
    removed: ['gone'],
    aliases: false,
  });
});

test('on demand starts with an empty answer, finds by alias, and pushes only what is followed', () => {
  const talk = dialogue({}, PODS);
  assert.deepEqual(talk.say(NOTHING), { resources: [], removed: [], aliases: true });
  assert.deepEqual(talk.say({ resourceNamesSubscribe: ['/10.0.0.1', 'nonsense'] }), {
    resources: ['pod1'],
    removed: ['nonsense'],
    aliases: true,
  });
  talk.put('pod2', 'v2');
  assert.equal(talk.push(['pod2']), undefined);
  talk.put('pod1', 'v2');
  assert.deepEqual(talk.push(['pod1', 'pod2'])?.resources, ['pod1']);
  assert.equal(talk.say({ resourceNamesSubscribe: ['pod1'] }), 'acked', 'a name already followed is no change');
});

test('a service key brings its workloads; a change of a workload pushes it alone', () => {
  const talk = dialogue(SERVICE_LOOKUP, PODS);
  talk.say(NOTHING);
  assert.deepEqual(talk.say({ resourceNamesSubscribe: ['/10.96.0.1'] }), {
    resources: ['ns/svc', 'pod1', 'pod2'],
    removed: [],
    aliases: true,
  });
  assert.deepEqual(talk.push(['pod1'])?.resources, ['pod1']);
  assert.deepEqual(talk.push(['ns/svc'])?.resources, ['ns/svc', 'pod1', 'pod2']);
  talk.table.delete('pod2');
  assert.deepEqual(talk.push(['pod2']), { resources: [], removed: ['pod2'], aliases: true });
});

test('giving one key back removes what only it brought, and nothing else', () => {
  const talk = dialogue({}, PODS);
  talk.say(NOTHING);
  talk.say({ resourceNamesSubscribe: ['/10.0.0.1', '/10.0.0.2'] });
  assert.deepEqual(talk.say({ resourceNamesUnsubscribe: ['/10.0.0.1'] }), {
    resources: [],
    removed: ['/10.0.0.1', 'pod1'],
    aliases: true,
  });
  assert.equal(talk.push(['pod1']), undefined);
  assert.deepEqual(talk.push(['pod2'])?.resources, ['pod2']);
});

test('subscribing and unsubscribing a missing name in one request asks again', () => {
  const talk = dialogue({}, PODS);
  talk.say(NOTHING);
  talk.say({ resourceNamesSubscribe: ['late'] });
  assert.equal(talk.say({ resourceNamesSubscribe: ['late'] }), 'acked');
  talk.put('late');
  assert.deepEqual(talk.say({ resourceNamesSubscribe: ['late'], resourceNamesUnsubscribe: ['late'] }), {
    resources: ['late'],
    removed: [],
    aliases: true,
  });
  talk.put('late', 'v2');
  assert.deepEqual(talk.push(['late'])?.resources, ['late'], 'what was found is followed');
});

test('a wildcard that names something gets everything again, an alias counting as removed', () => {
  const talk = dialogue({}, PODS);
  talk.say({});
  assert.deepEqual(talk.say({ resourceNamesSubscribe: ['/10.0.0.1'] }), {
    resources: ['ns/svc', 'pod1', 'pod2'],
    removed: ['/10.0.0.1'],
    aliases: false,
  });
});

test('a NACK is noted and not answered; a stale nonce is ignored even with names', () => {
  const talk = dialogue({}, PODS);
  talk.say({});
  assert.equal(talk.say({ responseNonce: 'n1', errorDetail: { message: 'no' } }), 'nacked');
  assert.equal(talk.session.types.get(TYPE)?.lastError, 'no');
  assert.equal(talk.say({ responseNonce: 'other', resourceNamesSubscribe: ['pod1'] }), 'stale');
  assert.equal(talk.say({ responseNonce: 'n1' }), 'acked');
  assert.equal(talk.session.types.get(TYPE)?.lastError, undefined);
});

test('workloads of the own node come unasked, once', () => {
  const talk = dialogue({ unasked: () => ['pod1'] }, PODS);
  assert.deepEqual(talk.say(NOTHING), { resources: ['pod1'], removed: [], aliases: true });
  assert.deepEqual(talk.say({ resourceNamesSubscribe: ['/10.0.0.2'] }), {
    resources: ['pod2'],
    removed: [],
    aliases: true,
  });
});

test('debug and health types are ignored, an unknown type ends the stream', () => {
  const talk = dialogue();
  assert.equal(talk.say({ typeUrl: 'istio.io/debug/syncz' }), 'ignored');
  assert.equal(talk.say({ typeUrl: 'type.googleapis.com/istio.v1.HealthInformation' }), 'ignored');
  assert.throws(() => talk.say({ typeUrl: 'type.googleapis.com/other' }), { code: 'ERR_XDS_UNAUTHENTICATED' });
});

test('whatever a client says, a wildcard client that applies every answer ends with what the table holds', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), name, version: fc.constantFrom('1', '2', '3') }),
    fc.record({ kind: fc.constant('delete' as const), name }),
    fc.record({ kind: fc.constant('subscribe' as const), name }),
    fc.record({ kind: fc.constant('unsubscribe' as const), name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const talk = dialogue();
      const held = new Set<string>();
      const take = (answer: ReturnType<typeof talk.say> | ReturnType<typeof talk.push>): void => {
        if (typeof answer !== 'object') return;
        for (const item of answer.resources) held.add(item);
        for (const item of answer.removed) held.delete(item);
      };
      take(talk.say({}));
      for (const action of steps) {
        if (action.kind === 'set') talk.put(action.name, action.version);
        if (action.kind === 'delete') talk.table.delete(action.name);
        if (action.kind === 'subscribe') take(talk.say({ resourceNamesSubscribe: [action.name] }));
        else if (action.kind === 'unsubscribe') take(talk.say({ resourceNamesUnsubscribe: [action.name] }));
        else take(talk.push([action.name]));
      }
      assert.deepEqual([...held].sort(), [...talk.table.names()].sort());
    }),
    { numRuns: 200 },
  );
});

test('whatever an on-demand client says, it holds exactly the existing names that it follows', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.record({ kind: fc.constantFrom('set', 'delete', 'ask', 'drop'), name });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const talk = dialogue();
      const held = new Set<string>();
      const asked = new Set<string>();
      let version = 0;
      const take = (answer: ReturnType<typeof talk.say> | ReturnType<typeof talk.push>): void => {
        if (typeof answer !== 'object') return;
        for (const item of answer.resources) held.add(item);
        for (const item of answer.removed) held.delete(item);
      };
      take(talk.say(NOTHING));
      for (const action of steps) {
        switch (action.kind) {
          case 'set':
            talk.put(action.name, `v${(version += 1)}`);
            take(talk.push([action.name]));
            break;
          case 'delete':
            talk.table.delete(action.name);
            take(talk.push([action.name]));
            break;
          case 'ask':
            take(talk.say({ resourceNamesSubscribe: [action.name] }));
            asked.add(action.name);
            break;
          default:
            take(talk.say({ resourceNamesUnsubscribe: [action.name] }));
            asked.delete(action.name);
        }
      }
      const expected = [...talk.table.names()].filter((item) => asked.has(item));
      assert.deepEqual([...held].sort(), expected.sort());
    }),
    { numRuns: 200 },
  );
});

test('a name that only stands beside what is sent is not gone', () => {
  const block = { svc: ['/10.1.0.0/24'], other: ['/10.0.0.9'] };
  const talk = dialogue({ lookup: (key) => (key === 'svc' || key === 'other' ? [key] : []) }, block);
  talk.say(NOTHING);
  const asked = { responseNonce: 'n1', resourceNamesSubscribe: ['svc', '/10.1.0.0/24', '/10.2.0.0/24'] };
  assert.deepEqual(talk.say(asked), { resources: ['svc'], removed: ['/10.2.0.0/24'], aliases: true });
});

test('a name that is known without being a resource of the type is not removed', () => {
  const talk = dialogue({ isKnown: (name) => name === 'ns/svc-without-workloads' }, { pod1: [] });
  const held = { initialResourceVersions: { pod1: 'v1', 'ns/svc-without-workloads': 'v1', gone: 'v1' } };
  assert.deepEqual(talk.say(held), { resources: [], removed: ['gone'], aliases: false });
});

test('clients that follow everything get one response object for a change, made anew when what it says is no longer true', () => {
  const node = parseNode(create(NodeSchema, { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' }));
  const table = createResourceTable(TYPE);
  const put = (version: string): void => table.set({ name: 'pod1', version, bytes: Buffer.from(version) });
  put('v1');
  const client = (id: number): ReturnType<typeof createDeltaSession> => {
    const session = createDeltaSession({
      sources: new Map([[TYPE, table]]),
      client: () => ({ connectionId: id, node, identity: undefined, peer: '', connectedAtMs: 0 }),
      limits: { maxNames: 1000, maxNameCharacters: 100 },
    });
    session.request(
      decodeDeltaRequest(
        Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE }))),
      ),
    );
    return session;
  };
  const change = { names: new Set(['pod1', 'gone']), forced: false };
  const first = client(1).push(TYPE, change);
  assert.equal(client(2).push(TYPE, change), first);
  assert.deepEqual(first?.removed, ['gone']);
  put('v2');
  const later = client(3).push(TYPE, change);
  assert.deepEqual(
    later?.resources.map(({ version }) => version),
    ['v2'],
  );
  table.set({ name: 'gone', version: 'v1', bytes: Buffer.from('back') });
  assert.deepEqual(client(4).push(TYPE, change)?.removed, []);
});
