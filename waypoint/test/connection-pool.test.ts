// Connections to backends: the limits of a DestinationRule, and what becomes of them when their endpoint is gone (spec/waypoint.md 5.2, 5.3).
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BackendSchema } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const uid = (n: number): string => `cluster//Pod/apps/reviews-${n}`;
type Backend = Exclude<MessageInitShape<typeof BackendSchema>, { $typeName: string }>;

describe('connections to backends', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => mesh.close());

  const backend = (policy: Backend, protocol = 1): void =>
    mesh.configure({
      backends: {
        [backendKey]: {
          hostname: HOSTNAME,
          port: 80,
          protocol,
          serviceNamespace: 'apps',
          serviceName: 'reviews',
          ...policy,
        },
      },
    });

  /** A backend whose requests are answered when the test says so. `sockets` are the connections that it saw. */
  const held = () => {
    const sockets = new Set<unknown>();
    const waiting: ServerResponse[] = [];
    const arrivals: (() => void)[] = [];
    mesh.addWorkload(2, {
      handler: (request, response) => {
        sockets.add(request.socket);
        if (request.url !== '/hold') return void response.end('ok');
        waiting.push(response);
        return arrivals.shift()?.();
      },
    });
    const arrived = (): Promise<void> => new Promise((resolve) => arrivals.push(resolve));
    return { sockets, waiting, arrived };
  };

  test('a request waits for the one connection, and the one behind it finds no place to wait', async () => {
    const { sockets, waiting, arrived } = held();
    backend({ pool: { maxConnections: 1, maxPending: 1 } });
    const inWork = arrived();
    const first = mesh.get('/hold');
    await inWork;
    const others = [mesh.get('/'), mesh.get('/')];
    const refused = await Promise.race(others);
    assert.deepEqual([refused.status, refused.headers['x-envoy-overloaded']], [503, 'true']);
    assert.match(mesh.accessLines[0] ?? '', / 503 UO upstream_reset_before_response_started\{overflow\} /);
    waiting[0]?.end('held');
    assert.equal((await first).body, 'held');
    assert.deepEqual(
      (await Promise.all(others)).map(({ status }) => status).toSorted((one, two) => one - two),
      [200, 503],
    );
    assert.equal(sockets.size, 1, 'all of them used the same connection');
  });

  test('a connection carries as many requests as the rule says', async () => {
    const { sockets } = held();
    backend({ pool: { maxRequestsPerConnection: 2 } });
    for (let index = 0; index < 6; index++) assert.equal((await mesh.get('/')).body, 'ok');
    assert.equal(sockets.size, 3);
  });

  test('requests whose connection broke make room for others', async () => {
    mesh.addWorkload(2, { raw: (socket) => socket.destroy() });
    backend({ pool: { maxConnections: 1, maxPending: 1 } });
    for (let index = 0; index < 3; index++) assert.match((await mesh.get('/')).body, /connection termination/);
  });

  test('free connections close when their endpoint is gone', async () => {
    const ended = Promise.withResolvers<void>();
    mesh.addWorkload(2, {
      handler: (request, response) => {
        request.socket.once('close', () => ended.resolve());
        response.end('ok');
      },
    });
    mesh.configure({
      backends: {
        [backendKey]: {
          hostname: HOSTNAME,
          port: 80,
          protocol: 1,
          serviceNamespace: 'apps',
          pool: { httpIdle: { seconds: 3600n } },
        },
      },
    });
    assert.equal((await mesh.get('/')).body, 'ok');
    mesh.publish({ removed: [uid(2)] });
    await ended.promise;
    assert.equal((await mesh.get('/')).status, 503, 'no request goes there');
  });

  test('a request in work finishes although its endpoint is gone', async () => {
    const { sockets, waiting, arrived } = held();
    const inWork = arrived();
    const first = mesh.get('/hold');
    await inWork;
    mesh.publish({ removed: [uid(2)] });
    mesh.addWorkload(3, { handler: (_request, response) => response.end('the new one') });
    assert.equal((await mesh.get('/')).body, 'the new one');
    waiting[0]?.end('held');
    assert.equal((await first).body, 'held');
    assert.equal(sockets.size, 1);
  });

  test('at the drain limit a request in work is given up', async () => {
    const { arrived } = held();
    mesh.configure({ proxy: { trustDomain: 'cluster.local', drain: { nanos: 1_000_000 } } });
    const inWork = arrived();
    const first = mesh.get('/hold', { method: 'POST' });
    await inWork;
    mesh.publish({ removed: [uid(2)] });
    const { status, body } = await first;
    assert.equal(status, 503);
    assert.match(body, /connection termination/);
  });

  test('an HTTP/2 session of an endpoint that is gone finishes its streams and takes no other', async () => {
    const streams: ServerHttp2Stream[] = [];
    const arrived = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const raw = (socket: Duplex): void => {
      const session = performServerHandshake(socket);
      session.on('error', () => undefined);
      session.on('close', () => closed.resolve());
      session.on('stream', (stream) => {
        streams.push(stream);
        arrived.resolve();
      });
    };
    mesh.addWorkload(2, { raw });
    backend({}, 2);
    const first = mesh.get('/');
    await arrived.promise;
    mesh.publish({ removed: [uid(2)] });
    assert.equal((await mesh.get('/')).status, 503);
    const [stream] = streams;
    assert.ok(stream !== undefined);
    stream.respond({ ':status': 200 });
    stream.end('finished');
    assert.equal((await first).body, 'finished');
    await closed.promise;
  });

  test('an HTTP/2 session carries as many requests as the rule says', async () => {
    let sessions = 0;
    const raw = (socket: Duplex): void => {
      sessions += 1;
      const session = performServerHandshake(socket);
      session.on('error', () => undefined);
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      });
    };
    mesh.addWorkload(2, { raw });
    backend({ pool: { maxRequestsPerConnection: 2 } }, 2);
    for (let index = 0; index < 6; index++) assert.equal((await mesh.get('/')).body, 'ok');
    assert.equal(sessions, 3);
  });

  describe('http2KeepAlive', () => {
    const ms = (count: number) => ({ nanos: count * 1_000_000 });
    /** A backend whose connections go deaf on demand: they go on sending, and hear nothing more, PINGs neither. */
    const backendThatGoesDeaf = () => {
      const connections: { isDeaf: boolean; pings: number }[] = [];
      const streams: ServerHttp2Stream[] = [];
      const arrivals: (() => void)[] = [];
      mesh.addWorkload(2, {
        raw: (socket) => {
          const connection = { isDeaf: false, pings: 0 };
          connections.push(connection);
          const ear = new Duplex({
            read: () => undefined,
            write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
          });
          socket.on('data', (chunk: Buffer) => void (connection.isDeaf || ear.push(chunk)));
          const session = performServerHandshake(ear);
          session.on('error', () => undefined);
          session.on('ping', () => (connection.pings += 1));
          session.on('stream', (stream, headers) => {
            stream.on('error', () => undefined);
            if (headers[':path'] === '/hold') {
              streams.push(stream);
              arrivals.shift()?.();
            } else {
              stream.respond({ ':status': 200 });
              stream.end('ok');
            }
          });
        },
      });
      const arrived = (): Promise<void> => new Promise((resolve) => arrivals.push(resolve));
      return { connections, streams, arrived };
    };

    test('sends PINGs on a connection that nobody uses', async () => {
      const { connections } = backendThatGoesDeaf();
      backend({ pool: { h2Ping: { interval: ms(10), time: { seconds: 10n } } } }, 2);
      assert.equal((await mesh.get('/')).body, 'ok');
      while ((connections[0]?.pings ?? 0) < 3) await pause(10);
      assert.equal((await mesh.get('/')).body, 'ok');
      assert.equal(connections.length, 1);
    });

    test('gives up a connection that does not answer, with what is in work on it', async () => {
      const { connections, arrived } = backendThatGoesDeaf();
      backend({ pool: { h2Ping: { interval: ms(20), time: ms(500) } } }, 2);
      const inWork = arrived();
      const held = mesh.get('/hold');
      await inWork;
      (connections[0] as { isDeaf: boolean }).isDeaf = true;
      const { status, body } = await held;
      assert.equal(status, 503);
      assert.match(body, /connection termination/);
      assert.equal((await mesh.get('/')).body, 'ok');
      assert.equal(connections.length, 2);
    });

    test('keeps a connection whose answer waits behind data', async () => {
      const { connections, streams, arrived } = backendThatGoesDeaf();
      backend({ pool: { h2Ping: { interval: ms(20), time: ms(500) } } }, 2);
      const inWork = arrived();
      const held = mesh.get('/hold');
      await inWork;
      (connections[0] as { isDeaf: boolean }).isDeaf = true;
      const stream = streams[0] as ServerHttp2Stream;
      stream.respond({ ':status': 200 });
      for (let piece = 0; piece < 30; piece++) {
        stream.write('x');
        await pause(50);
      }
      stream.end();
      assert.equal((await held).body, 'x'.repeat(30));
    });

    test('is off unless the rule says so', async () => {
      const { connections } = backendThatGoesDeaf();
      backend({ pool: { maxStreams: 10 } }, 2);
      assert.equal((await mesh.get('/')).body, 'ok');
      await pause(100);
      assert.equal(connections[0]?.pings, 0);
    });
  });
});
