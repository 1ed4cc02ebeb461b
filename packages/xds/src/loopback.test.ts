// Component test: the real client against the real server over gRPC on loopback.
import assert from 'node:assert/strict';
import { connect as http2Connect } from 'node:http2';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@ambit/proto/discovery';
import { binaryOf } from '@ambit/proto/testing';
import { createBackoff } from '@ambit/runtime/backoff';
import { silentLogger } from '@ambit/runtime/log';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { type XdsClientOptions, anyHandler, createXdsClient } from './index.ts';
import { XdsError, createResourceTable } from './server.ts';
import { openRawClient, startTestXdsServer } from './testing/index.ts';

const TYPE = 'type.googleapis.com/test.Thing';
const POLICY = 'type.googleapis.com/test.Policy';
const NODE = { id: 'ztunnel~10.0.0.1~zt.istio-system~istio-system.svc.cluster.local' };

/** A store of texts whose handler refuses texts that begin with "bad". */
function textStore(typeUrl = TYPE) {
  const store = new Map<string, string>();
  let changed = Promise.withResolvers<void>();
  const handler = anyHandler<string>({
    typeUrl,
    decode: (bytes) => Buffer.from(bytes).toString(),
    apply({ updated, removed }) {
      const rejects = [];
      for (const { name, resource } of updated) {
        if (resource.startsWith('bad')) rejects.push({ name, reason: 'it is bad' });
        else store.set(name, resource);
      }
      for (const name of removed) store.delete(name);
      changed.resolve();
      changed = Promise.withResolvers();
      return rejects;
    },
  });
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) await changed.promise;
  };
  return { store, handler, until };
}

function clientOptions(address: string, rest: Partial<XdsClientOptions>): XdsClientOptions {
  return {
    address,
    credentials: async () => ({ roots: 'plaintext', headers: {} }),
    node: NODE,
    subscriptions: [],
    log: silentLogger,
    backoff: createBackoff({ initialMs: 5, maxMs: 20 }),
    ...rest,
  };
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

test('a wildcard client gets everything, then each change', async () => {
  const table = createResourceTable(TYPE);
  table.set({ name: 'a', bytes: bytes('1') });
  await using server = await startTestXdsServer([table]);
  const { store, handler, until } = textStore();
  const client = createXdsClient(clientOptions(server.address, { subscriptions: [{ handler, mode: 'wildcard' }] }));
  try {
    await client.synced;
    assert.deepEqual([...store], [['a', '1']]);
    assert.equal(client.connected, true);
    table.set({ name: 'b', bytes: bytes('2') });
    await until(() => store.has('b'));
    table.delete('a');
    await until(() => !store.has('a'));
    assert.deepEqual([...client.held(TYPE).keys()], ['b']);
  } finally {
    await client.close();
  }
});

test('after a restart of the server only what changed is sent, and what is gone is removed', async () => {
  const table = createResourceTable(TYPE);
  for (const name of ['a', 'b', 'c']) table.set({ name, bytes: bytes(name) });
  const first = await startTestXdsServer([table]);
  const { store, handler, until } = textStore();
  const reasons: string[] = [];
  const client = createXdsClient(
    clientOptions(first.address, {
      subscriptions: [{ handler, mode: 'wildcard' }],
      onTermination: (reason) => reasons.push(reason),
    }),
  );
  try {
    await client.synced;
    await first.stop();
    table.delete('c');
    table.set({ name: 'b', bytes: bytes('new') });
    let sentBytes = 0;
    await using second = await startTestXdsServer([table], {
      port: first.port,
      events: { sent: (_client, _type, size) => (sentBytes += size) },
    });
    assert.equal(second.port, first.port);
    await until(() => store.get('b') === 'new');
    assert.deepEqual([...store.keys()].sort(), ['a', 'b']);
    assert.ok(sentBytes < 400, `only the change is sent (${sentBytes} bytes)`);
    assert.ok(reasons.length >= 1);
  } finally {
    await client.close();
  }
});

test('a rejected resource is NACKed, the good ones stay, and a reconnect asks for it again', async () => {
  const table = createResourceTable(TYPE);
  table.set({ name: 'a', bytes: bytes('fine') });
  table.set({ name: 'b', bytes: bytes('bad one') });
  await using server = await startTestXdsServer([table]);
  const { store, handler } = textStore();
  const log = createCapturingLogger();
  const client = createXdsClient(
    clientOptions(server.address, { subscriptions: [{ handler, mode: 'wildcard' }], log }),
  );
  try {
    await client.synced;
    assert.deepEqual([...store.keys()], ['a']);
    assert.deepEqual([...client.held(TYPE).keys()], ['a'], 'a rejected name is not recorded as held');
    assert.ok(log.messages('warn').includes('resources rejected'));
    const nacked = await eventually(() => server.xds.status()[0]?.types[0]?.state === 'NACK');
    assert.ok(nacked);
    assert.equal(server.xds.status()[0]?.types[0]?.lastError, 'b: it is bad');
  } finally {
    await client.close();
  }
});

test('on demand: an alias finds the resource, an unknown name is missing, and appears after asking again', async () => {
  const table = createResourceTable(TYPE);
  table.set({ name: 'pod', bytes: bytes('1'), aliases: ['/10.0.0.1'] });
  await using server = await startTestXdsServer([table]);
  const { store, handler } = textStore();
  const client = createXdsClient(clientOptions(server.address, { subscriptions: [{ handler, mode: 'on-demand' }] }));
  try {
    assert.equal(await client.demand(TYPE, '/10.0.0.1'), 'found');
    assert.equal(store.get('pod'), '1');
    assert.equal(await client.demand(TYPE, '/10.0.0.1'), 'found', 'answered from what is held');
    const both = await Promise.all([client.demand(TYPE, '/10.0.0.9'), client.demand(TYPE, '/10.0.0.9')]);
    assert.deepEqual(both, ['missing', 'missing']);
    table.set({ name: 'late', bytes: bytes('2'), aliases: ['/10.0.0.9'] });
    assert.equal(await client.demand(TYPE, '/10.0.0.9'), 'found');
    assert.equal(store.get('late'), '2');
  } finally {
    await client.close();
  }
});

test('demands made while the server is away are answered when it comes back', async () => {
  const table = createResourceTable(TYPE);
  table.set({ name: 'x', bytes: bytes('1') });
  const first = await startTestXdsServer([table]);
  await first.stop();
  const { store, handler } = textStore();
  const client = createXdsClient(clientOptions(first.address, { subscriptions: [{ handler, mode: 'on-demand' }] }));
  try {
    const answer = client.demand(TYPE, 'x');
    await using _second = await startTestXdsServer([table], { port: first.port });
    assert.equal(await answer, 'found');
    assert.equal(store.get('x'), '1');
  } finally {
    await client.close();
  }
});

test('a wildcard client of a scoped type gets its part, follows scope changes, and may ask for more by name', async () => {
  const mine = new Set(['a']);
  const table = createResourceTable(TYPE, {
    scope: () => ({ isPushed: (name) => mine.has(name), isReadable: (name) => name !== 'secret' }),
    answersNamed: () => true,
  });
  for (const name of ['a', 'b', 'c', 'secret']) table.set({ name, bytes: bytes(name) });
  await using server = await startTestXdsServer([table]);
  const { store, handler, until } = textStore();
  const client = createXdsClient(clientOptions(server.address, { subscriptions: [{ handler, mode: 'wildcard' }] }));
  try {
    await client.synced;
    assert.deepEqual([...store.keys()], ['a']);
    assert.equal(await client.demand(TYPE, 'c'), 'found');
    assert.equal(await client.demand(TYPE, 'secret'), 'missing');
    assert.deepEqual([...store.keys()].sort(), ['a', 'c']);
    mine.delete('a');
    mine.add('b');
    table.set({ name: 'a', bytes: bytes('moved') });
    table.set({ name: 'b', bytes: bytes('moved') });
    await until(() => store.has('b') && !store.has('a'));
    assert.deepEqual([...store.keys()].sort(), ['b', 'c']);
  } finally {
    await client.close();
  }
});

test('a forced push sends the types again that want it, and only those', async () => {
  const things = createResourceTable(TYPE);
  const policies = createResourceTable(POLICY, { resendOnForcedPush: true, alwaysWildcard: true });
  things.set({ name: 'a', bytes: bytes('1') });
  policies.set({ name: 'p', bytes: bytes('2') });
  await using server = await startTestXdsServer([things, policies]);
  using raw = openRawClient(server.address);
  for (const typeUrl of [TYPE, POLICY]) {
    raw.send({ node: NODE, typeUrl });
    await raw.next();
  }
  server.xds.forcePush();
  const again = await raw.next();
  assert.equal(again?.typeUrl, POLICY);
  assert.equal(await raw.next(50), undefined);
});

test('a caller without a valid token is refused as UNAUTHENTICATED, a foreign namespace as PERMISSION_DENIED', async () => {
  await using server = await startTestXdsServer([createResourceTable(TYPE)], {
    authenticate: ({ header }) => {
      if (header('authorization') !== 'Bearer good') throw new Error('no valid token');
      return { identities: ['spiffe://cluster.local/ns/istio-system/sa/ztunnel'] };
    },
  });
  using anonymous = openRawClient(server.address);
  anonymous.send({ node: NODE, typeUrl: TYPE });
  assert.equal((await anonymous.status).code, 16);
  using foreign = openRawClient(server.address, { authorization: 'Bearer good' });
  foreign.send({ node: { ...NODE, metadata: { NAMESPACE: 'apps' } }, typeUrl: TYPE });
  assert.equal((await foreign.status).code, 7);
  using own = openRawClient(server.address, { authorization: 'Bearer good' });
  own.send({ node: { ...NODE, metadata: { NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'ztunnel' } }, typeUrl: TYPE });
  assert.equal((await own.next())?.typeUrl, TYPE);
});

test('hostile requests end the stream with a status and leave the server standing', async () => {
  await using server = await startTestXdsServer([createResourceTable(TYPE)], { maxNames: 10 });
  const cases: [object, number][] = [
    [{ typeUrl: TYPE }, 3],
    [{ node: { id: 'ztunnel~bad' }, typeUrl: TYPE }, 3],
    [{ node: { id: 'router~x~y~z', metadata: { INSTANCE_IPS: 'nope' } }, typeUrl: TYPE }, 3],
    [{ node: NODE, typeUrl: 'type.googleapis.com/unknown' }, 16],
    [{ node: NODE, typeUrl: TYPE, resourceNamesSubscribe: ['x'.repeat(5000)] }, 8],
    [{ node: NODE, typeUrl: TYPE, resourceNamesSubscribe: Array.from({ length: 11 }, (_, i) => `n${i}`) }, 8],
  ];
  for (const [request, code] of cases) {
    using raw = openRawClient(server.address);
    raw.send(request);
    assert.equal((await raw.status).code, code, JSON.stringify(request).slice(0, 100));
  }
  using raw = openRawClient(server.address);
  raw.send({ node: NODE, typeUrl: TYPE });
  assert.ok(await raw.next());
  assert.ok(await eventually(() => server.xds.connections === 1));
});

test('a client that does not read does not hold up another, and its pushes merge', async () => {
  const table = createResourceTable(TYPE);
  table.set({ name: 'big', bytes: Buffer.alloc(256 * 1024, 1) });
  await using server = await startTestXdsServer([table]);
  // A bare HTTP/2 stream, since a gRPC client reads ahead: with 64 KiB of window the first response stays stuck.
  const session = http2Connect(`http://${server.address}`);
  session.on('error', () => undefined);
  const slow = session.request({
    ':method': 'POST',
    ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  slow.on('error', () => undefined);
  const request = binaryOf(DeltaDiscoveryRequestSchema, { node: NODE, typeUrl: TYPE });
  const frame = Buffer.alloc(5 + request.length);
  frame.writeUInt32BE(request.length, 1);
  frame.set(request, 5);
  slow.write(frame);
  try {
    using quick = openRawClient(server.address);
    quick.send({ node: NODE, typeUrl: TYPE });
    assert.equal((await quick.next())?.resources.length, 1);
    assert.ok(await eventually(() => server.xds.connections === 2 && server.xds.status().length === 2));
    for (let i = 0; i < 20; i += 1) {
      table.set({ name: 'small', bytes: bytes(String(i)) });
      assert.equal((await quick.next())?.resources[0]?.name, 'small');
    }
    const names: string[] = [];
    let received = Buffer.alloc(0);
    slow.on('data', (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      while (received.length >= 5 && received.length >= 5 + received.readUInt32BE(1)) {
        const end = 5 + received.readUInt32BE(1);
        const response = fromBinary(DeltaDiscoveryResponseSchema, received.subarray(5, end));
        names.push(...response.resources.map((resource) => `${resource.name}:${resource.resource?.value.length}`));
        received = received.subarray(end);
      }
    });
    assert.ok(await eventually(() => names.length >= 2));
    assert.deepEqual(names, ['big:262144', 'small:2'], 'twenty changes became one push');
  } finally {
    session.destroy();
  }
});

test('a server that is not ready refuses, and the client keeps trying until it is', async () => {
  const table = createResourceTable(TYPE);
  let isReady = false;
  await using server = await startTestXdsServer([table], { isReady: () => isReady });
  const { handler } = textStore();
  let attempts = 0;
  const client = createXdsClient(
    clientOptions(server.address, {
      subscriptions: [{ handler, mode: 'wildcard' }],
      onTermination: () => {
        attempts += 1;
        isReady = attempts >= 2;
      },
    }),
  );
  try {
    await client.synced;
    assert.ok(attempts >= 2);
  } finally {
    client.destroy();
  }
});

test('a client that is closed rejects what still waits', async () => {
  const { handler } = textStore();
  const client = createXdsClient(clientOptions('127.0.0.1:1', { subscriptions: [{ handler, mode: 'wildcard' }] }));
  const waiting = client.demand(TYPE, 'x');
  await client.close();
  await assert.rejects(waiting, (error) => XdsError.is(error) && error.code === 'ERR_XDS_CLOSED');
  await assert.rejects(client.synced);
});

async function eventually(isTrue: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !isTrue(); i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  return isTrue();
}
