// What HTTP/2 asks of a proxy beyond requests and answers, through a real data plane: interim responses, trailers, lengths, ends before
// the end, GOAWAY, limits of connections (spec/waypoint.md 4.6.2, 5.1, 5.2, 5.3, 5.11).
import assert from 'node:assert/strict';
import {
  connect as http2Connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';
import { RawClient } from './envoy-http/client.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const limitMs = 10_000;
const ignore = (): void => undefined;

describe('rules of HTTP/2', () => {
  let mesh: TestMesh;
  const sessions: ClientHttp2Session[] = [];
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
    mesh.close();
  });

  const configure = (protocol: number, backend: Record<string, unknown> = {}): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: { hostname: HOSTNAME, namespace: 'apps', ports: [{ port: 80, protocol, backend: backendKey }] },
      },
      backends: {
        [backendKey]: {
          hostname: HOSTNAME,
          port: 80,
          protocol,
          serviceNamespace: 'apps',
          serviceName: 'reviews',
          ...backend,
        },
      },
    });

  type OnStream = (stream: ServerHttp2Stream, headers: Record<string, unknown>, session: ServerHttp2Session) => void;
  const serve = (onStream: OnStream) => (socket: Duplex) => {
    const session = performServerHandshake(socket);
    session.on('error', ignore);
    session.on('stream', (stream, headers) => {
      stream.on('error', ignore);
      onStream(stream, headers, session);
    });
  };

  const openSession = async (): Promise<ClientHttp2Session> => {
    const socket = tunnelSocket(await mesh.tunnel());
    const session = http2Connect('http://reviews', { createConnection: () => socket });
    session.on('error', ignore);
    sessions.push(session);
    return session;
  };

  interface Answer {
    readonly status: number;
    readonly body: string;
    readonly code: number;
    readonly trailers: Record<string, unknown>;
  }

  const answerOf = async (stream: ClientHttp2Stream): Promise<Answer> =>
    new Promise((resolve) => {
      let status = 0;
      let body = '';
      let trailers: Record<string, unknown> = {};
      stream.on('response', (headers) => (status = headers[':status'] ?? 0));
      stream.on('trailers', (given) => (trailers = given));
      stream.on('data', (piece: Buffer) => (body += piece.toString()));
      stream.on('error', ignore);
      stream.on('close', () => resolve({ status, body, code: stream.rstCode, trailers }));
    });

  test('a head that only compression makes small is answered 431', async () => {
    configure(2);
    mesh.addWorkload(2, { raw: serve((stream) => stream.respond({ ':status': 200 }, { endStream: true })) });
    // `x` of 2,900 bytes goes into the table, each further byte says it once more.
    const head = (copies: number): Buffer =>
      Buffer.concat([
        Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61, 0x40, 1, 0x78, 0x7f, 0xd5, 0x15]),
        Buffer.alloc(2900, 'v'),
        Buffer.alloc(copies - 1, 0xbe),
      ]);
    for (const [copies, status] of [
      [20, '\x88'],
      [23, '\x48\x03431'],
    ] as const) {
      const client = new RawClient(await mesh.tunnel());
      const bytes = [preface, frame(4, 0, 0, ''), frame(1, 5, 1, head(copies))];
      await client.send([Buffer.concat(bytes).toString('latin1')]);
      assert.ok(await client.until(() => client.received.includes(status), limitMs), `${copies} copies`);
      client.leave();
    }
  });

  test('interim responses come through with all their fields, before the answer', async () => {
    configure(2);
    mesh.addWorkload(2, {
      raw: serve((stream) => {
        stream.additionalHeaders({ ':status': 103, link: ['</a>', '</b>'] });
        stream.respond({ ':status': 200 }, { endStream: true });
      }),
    });
    const stream = (await openSession()).request({ ':path': '/' });
    const interim: unknown[] = [];
    stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
    assert.equal((await answerOf(stream)).status, 200);
    assert.deepEqual(interim, [[103, '</a>, </b>']]);
  });

  test('interim responses of HTTP/1.1 keep every field', async () => {
    configure(1);
    mesh.addWorkload(2, {
      raw: (socket) => {
        socket.on('error', ignore);
        socket.on('data', () =>
          socket.write(
            'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
          ),
        );
      },
    });
    const stream = (await openSession()).request({ ':path': '/' });
    const interim: unknown[] = [];
    stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
    assert.equal((await answerOf(stream)).status, 200);
    assert.deepEqual(interim, [[103, '</a>, </b>']]);
  });

  test('trailers follow a body whose length was told', async () => {
    configure(2);
    mesh.addWorkload(2, {
      raw: serve((stream) => {
        stream.respond({ ':status': 200, 'content-length': 2 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'a' }));
        stream.end('ok');
      }),
    });
    const answer = await answerOf((await openSession()).request({ ':path': '/' }));
    assert.deepEqual([answer.status, answer.body, answer.trailers['x-sum']], [200, 'ok', 'a']);
  });

  test('trailers of a request reach the backend', async () => {
    configure(2);
    const seen = Promise.withResolvers<unknown>();
    mesh.addWorkload(2, {
      raw: serve((stream) => {
        stream.on('trailers', (trailers) => seen.resolve(trailers['x-sum']));
        stream.resume().on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
      }),
    });
    const stream = (await openSession()).request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'b' }));
    stream.end('body');
    assert.equal((await answerOf(stream)).status, 200);
    assert.equal(await seen.promise, 'b');
  });

  for (const [what, told] of [
    ['longer', 2],
    ['shorter', 20],
  ] as const) {
    test(`a request body that is ${what} than its content-length is refused`, async () => {
      configure(1);
      let whole = 0;
      mesh.addWorkload(2, {
        handler: (request, response) => {
          request.on('error', ignore);
          request.resume().on('end', () => {
            whole += 1;
            response.end();
          });
        },
      });
      // Core http2 does not check what it sends: frames of our own.
      const client = new RawClient(await mesh.tunnel());
      const literal = (name: string, value: string) =>
        Buffer.concat([
          Buffer.from([0, name.length]),
          Buffer.from(name),
          Buffer.from([value.length]),
          Buffer.from(value),
        ]);
      const block = Buffer.concat([
        Buffer.from([0x83, 0x86, 0x84, 0x41, 1, 0x61]),
        literal('content-length', String(told)),
      ]);
      const bytes = [preface, frame(4, 0, 0, ''), frame(1, 4, 1, block), frame(0, 1, 1, 'hello')];
      await client.send([Buffer.concat(bytes).toString('latin1')]);
      const reset = frame(3, 0, 1, Buffer.from([0, 0, 0, 1])).toString('latin1');
      assert.ok(await client.until(() => client.received.includes(reset), limitMs), 'the stream is reset');
      await pause(50);
      if (told > 5) assert.equal(whole, 0, 'nobody takes it for a whole request');
      client.leave();
    });
  }

  test('a response body that is shorter than its content-length breaks off', async () => {
    configure(2);
    mesh.addWorkload(2, {
      raw: (socket) => {
        const literal = Buffer.concat([Buffer.from([0x0f, 0x0d, 2]), Buffer.from('20')]); // content-length: 20
        const head = Buffer.concat([Buffer.from([0x88]), literal]);
        socket.on('error', ignore);
        socket.write(frame(4, 0, 0, ''));
        let isAnswered = false;
        socket.on('data', (bytes: Buffer) => {
          if (isAnswered || !bytes.includes(frame(1, 5, 1, '').subarray(3))) return;
          isAnswered = true;
          socket.write(Buffer.concat([frame(1, 4, 1, head), frame(0, 1, 1, 'hello')]));
        });
      },
    });
    const answer = await answerOf((await openSession()).request({ ':path': '/' }));
    assert.notEqual(answer.code, 0);
  });

  test('an answer before the end of its request ends both', async () => {
    configure(2);
    const ended = Promise.withResolvers<number>();
    mesh.addWorkload(2, {
      raw: serve((stream) => {
        stream.respond({ ':status': 413 }, { endStream: true });
        stream.on('close', () => ended.resolve(stream.rstCode));
      }),
    });
    const stream = (await openSession()).request({ ':path': '/', ':method': 'POST' }, { endStream: false });
    stream.write('a part');
    const answer = await answerOf(stream);
    assert.deepEqual([answer.status, answer.code], [413, 0]);
    await ended.promise;
  });

  test('a backend that goes away finishes what it took, and gets nothing more', async () => {
    configure(2);
    let connections = 0;
    mesh.addWorkload(2, {
      raw: (socket) => {
        connections += 1;
        serve((stream, _headers, session) => {
          session.goaway(0, stream.id ?? 0);
          setTimeout(() => {
            stream.respond({ ':status': 200 });
            stream.end(`connection ${connections}`);
          }, 50);
        })(socket);
      },
    });
    const session = await openSession();
    for (const wanted of ['connection 1', 'connection 2']) {
      assert.equal((await answerOf(session.request({ ':path': '/' }))).body, wanted);
    }
  });

  test('a drain says GOAWAY, and what is in work finishes', async () => {
    configure(2);
    const arrived = Promise.withResolvers<ServerHttp2Stream>();
    mesh.addWorkload(2, { raw: serve((stream) => arrived.resolve(stream)) });
    const session = await openSession();
    const goaway = new Promise<void>((resolve) => session.once('goaway', () => resolve()));
    const answer = answerOf(session.request({ ':path': '/' }));
    const stream = await arrived.promise;
    mesh.plane.receive({ kind: 'drain' });
    await goaway;
    stream.respond({ ':status': 200 });
    stream.end('late');
    assert.equal((await answer).body, 'late');
  });

  test('PINGs of a client that measures the bandwidth are answered', async () => {
    configure(2);
    mesh.addWorkload(2, { raw: serve((stream) => stream.respond({ ':status': 200 }, { endStream: true })) });
    const session = await openSession();
    for (let round = 0; round < 150; round++) {
      const answers = Array.from(
        { length: 10 },
        async () =>
          new Promise<void>((resolve, reject) => {
            session.ping((error) => (error === null ? resolve() : reject(error)));
          }),
      );
      await Promise.all(answers);
    }
    assert.equal((await answerOf(session.request({ ':path': '/' }))).status, 200);
  });

  describe('connections to a backend', () => {
    /** A backend that keeps `/hold` open until told, and lets one stream be open at a time. */
    const holding = () => {
      const held: ServerHttp2Stream[] = [];
      const connections = new Set<Duplex>();
      const arrived = Promise.withResolvers<void>();
      mesh.addWorkload(2, {
        raw: (socket) => {
          connections.add(socket);
          serve((stream, headers) => {
            if (headers[':path'] === '/hold') {
              held.push(stream);
              arrived.resolve();
            } else stream.respond({ ':status': 200 }, { endStream: true });
          })(socket);
        },
      });
      return { held, connections, arrived: arrived.promise };
    };

    test('are limited; a request waits for a stream, the one behind it finds no place', async () => {
      configure(2, { pool: { maxConnections: 1, maxPending: 1, maxStreams: 1 } });
      const { held, connections, arrived } = holding();
      const session = await openSession();
      const first = answerOf(session.request({ ':path': '/hold' }));
      await arrived;
      const others = [answerOf(session.request({ ':path': '/' })), answerOf(session.request({ ':path': '/' }))];
      const refused = await Promise.race(others);
      assert.equal(refused.status, 503);
      assert.match(mesh.accessLines[0] ?? '', / 503 UO upstream_reset_before_response_started\{overflow\} /);
      held[0]?.respond({ ':status': 200 }, { endStream: true });
      assert.equal((await first).status, 200);
      const statuses = (await Promise.all(others)).map(({ status }) => status);
      assert.deepEqual(
        statuses.toSorted((one, two) => one - two),
        [200, 503],
      );
      assert.equal(connections.size, 1);
    });

    test('are as many as the streams need where nothing limits them', async () => {
      configure(2, { pool: { maxStreams: 1 } });
      const { held, connections, arrived } = holding();
      const session = await openSession();
      const first = answerOf(session.request({ ':path': '/hold' }));
      await arrived;
      assert.equal((await answerOf(session.request({ ':path': '/' }))).status, 200);
      held[0]?.respond({ ':status': 200 }, { endStream: true });
      await first;
      assert.equal(connections.size, 2);
    });

    test('carry as many requests as the rule says', async () => {
      configure(2, { pool: { maxRequestsPerConnection: 2, maxConnections: 1, maxPending: 10 } });
      const { connections } = holding();
      const session = await openSession();
      for (let index = 0; index < 6; index++) {
        assert.equal((await answerOf(session.request({ ':path': '/' }))).status, 200);
      }
      assert.equal(connections.size, 3);
    });

    test('a client that gives up in line leaves it', async () => {
      configure(2, { pool: { maxConnections: 1, maxPending: 1, maxStreams: 1 } });
      const { held, arrived } = holding();
      const session = await openSession();
      const first = answerOf(session.request({ ':path': '/hold' }));
      await arrived;
      const waiting = session.request({ ':path': '/' });
      const gone = answerOf(waiting);
      await pause(50);
      waiting.close(8);
      await gone;
      await pause(50);
      const next = answerOf(session.request({ ':path': '/' }));
      await pause(50);
      held[0]?.respond({ ':status': 200 }, { endStream: true });
      assert.equal((await first).status, 200);
      assert.equal((await next).status, 200, 'its place in line was free');
    });
  });
});

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Buffer | string): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}
