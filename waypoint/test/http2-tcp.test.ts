// HTTP/2 with prior knowledge, gRPC-like trailers and raw TCP through a real data plane on loopback.
import assert from 'node:assert/strict';
import {
  connect as http2Connect,
  type ClientHttp2Session,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { HOSTNAME, startTestMesh, type TestMesh, VIP } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;

// One suite: hooks at file level would run for every test of the process.
describe('HTTP/2 and raw TCP through a data plane', () => {
  let mesh: TestMesh;
  const sessions: ClientHttp2Session[] = [];
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
    mesh.close();
  });

  const setProtocol = (protocol: number): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: { hostname: HOSTNAME, namespace: 'apps', ports: [{ port: 80, protocol, backend: backendKey }] },
      },
      backends: {
        [backendKey]: { hostname: HOSTNAME, port: 80, protocol, serviceNamespace: 'apps', serviceName: 'reviews' },
      },
    });

  /** A workload that speaks HTTP/2 in its tunnels. */
  const serveHttp2 =
    (onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void) => (socket: Duplex) => {
      const session = performServerHandshake(socket);
      session.on('error', () => undefined);
      session.on('stream', (stream, headers) => {
        stream.on('error', () => undefined);
        onStream(stream, headers);
      });
    };

  interface Answer {
    readonly headers: Record<string, unknown>;
    readonly trailers: Record<string, unknown>;
    readonly body: string;
  }

  const call = async (session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined });
      let response: Record<string, unknown> = {};
      let trailers: Record<string, unknown> = {};
      let text = '';
      stream.on('response', (given) => (response = given));
      stream.on('trailers', (given) => (trailers = given));
      stream.on('data', (piece: Buffer) => (text += piece.toString()));
      stream.on('error', reject);
      stream.on('close', () => resolve({ headers: response, trailers, body: text }));
      if (body !== undefined) stream.end(body);
    });

  const openSession = async (): Promise<ClientHttp2Session> => {
    const socket = tunnelSocket(await mesh.tunnel());
    const session = http2Connect('http://reviews', { createConnection: () => socket });
    session.on('error', () => undefined);
    sessions.push(session);
    return session;
  };

  describe('HTTP/2', () => {
    test('clients on an HTTP/1 port are served over HTTP/1.1', async () => {
      mesh.addWorkload(2, {
        handler: (request, response) => response.end(`${request.httpVersion} ${request.headers.cookie}`),
      });
      const session = await openSession();
      const answers = await Promise.all([1, 2, 3].map(async () => call(session, { cookie: 'a=1; b=2' })));
      for (const { headers, body } of answers) {
        assert.equal(headers[':status'], 200);
        assert.equal(body, '1.1 a=1; b=2');
      }
      assert.match(mesh.accessLines[0] ?? '', /"GET \/ HTTP\/2" 200 - via_upstream/);
    });

    test('gRPC goes end to end with trailers, over one upstream session', async () => {
      setProtocol(3);
      mesh.addWorkload(2, {
        raw: serveHttp2((stream, headers) => {
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-te': String(headers['te']) }));
          stream.pipe(stream);
        }),
      });
      const session = await openSession();
      for (let index = 0; index < 3; index++) {
        const answer = await call(
          session,
          { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
          '\0\0\0\0\u0001m\0\0\0\0\0',
        );
        assert.equal(answer.headers[':status'], 200);
        assert.equal(answer.body, '\0\0\0\0\u0001m\0\0\0\0\0');
        assert.equal(answer.trailers['grpc-status'], '0');
        assert.equal(answer.trailers['x-te'], 'trailers');
      }
      assert.equal(mesh.upstreamAuthorities.length, 1);
      const metrics = await mesh.metrics();
      assert.match(
        metrics,
        /istio_requests_total\{.*request_protocol="grpc",response_code="200",grpc_response_status="0"/,
      );
      assert.match(metrics, /istio_request_messages_total\{.*request_protocol="grpc".*\} 6\n/);
      assert.match(metrics, /istio_response_messages_total\{.*request_protocol="grpc".*\} 6\n/);
    });

    test('local replies and missing endpoints', async () => {
      const answer = await call(await openSession(), {});
      assert.equal(answer.headers[':status'], 503);
      assert.equal(answer.body, 'no healthy upstream');
      const grpc = await call(await openSession(), { ':method': 'POST', 'content-type': 'application/grpc' }, 'x');
      assert.equal(grpc.headers[':status'], 200);
      assert.equal(grpc.headers['grpc-status'], '14');
    });

    test('a large body streams both ways', async () => {
      setProtocol(2);
      mesh.addWorkload(2, {
        raw: serveHttp2((stream) => {
          stream.respond({ ':status': 200 });
          stream.pipe(stream);
        }),
      });
      const body = 'abcdefgh'.repeat(512 * 1024);
      const answer = await call(await openSession(), { ':method': 'POST' }, body);
      assert.ok(answer.body === body);
    });

    test('a refused stream is tried again', async () => {
      setProtocol(2);
      let tries = 0;
      mesh.addWorkload(2, {
        raw: serveHttp2((stream) => {
          tries++;
          if (tries === 1) stream.close(7);
          else {
            stream.respond({ ':status': 200 });
            stream.end('second');
          }
        }),
      });
      assert.equal((await call(await openSession(), {})).body, 'second');
    });
  });

  describe('raw TCP', () => {
    const exchange = async (bytes: string, authority = `${VIP}:80`): Promise<string> => {
      const socket = tunnelSocket(await mesh.tunnel(authority));
      socket.write(bytes);
      const answer = await new Promise<string>((resolve) => {
        socket.once('data', (piece: Buffer) => resolve(piece.toString()));
        for (const event of ['end', 'close']) socket.once(event, () => resolve('closed'));
      });
      socket.destroy();
      return answer;
    };
    const echo = (socket: Duplex): void => {
      socket.on('data', (piece: Buffer) => socket.write(piece));
      socket.on('end', () => socket.end());
    };

    test('a TCP port relays bytes without looking', async () => {
      setProtocol(4);
      mesh.addWorkload(2, { raw: echo });
      assert.equal(await exchange('GET / HTTP/1.1\r\n\r\n'), 'GET / HTTP/1.1\r\n\r\n');
      assert.deepEqual(mesh.accessLines, []);
    });

    test('server-first protocols work on a TCP port', async () => {
      setProtocol(4);
      mesh.addWorkload(2, { raw: (socket) => socket.write('220 ready\r\n') });
      const socket = tunnelSocket(await mesh.tunnel());
      assert.equal(
        await new Promise((resolve) => socket.once('data', (piece: Buffer) => resolve(piece.toString()))),
        '220 ready\r\n',
      );
      socket.destroy();
    });

    describe('TLS that is not ended here', () => {
      /** Backends `a` and `b`, each with the one workload that has the bytes of a connection. */
      const twoBackends = (protocol: number) => {
        const arrived = Promise.withResolvers<number>();
        for (const n of [2, 3])
          mesh.addWorkload(n, { raw: (socket) => void socket.once('data', () => arrived.resolve(n)) });
        const backend = (n: number) => ({
          hostname: HOSTNAME,
          port: 80,
          serviceNamespace: 'apps',
          serviceName: 'reviews',
          subset: `s${n}`,
          members: [`cluster//Pod/apps/reviews-${n}`],
        });
        mesh.configure({
          frontends: {
            [frontendKey]: {
              hostname: HOSTNAME,
              namespace: 'apps',
              policies: [{ policy: 'no-evil' }],
              ports: [
                {
                  port: 80,
                  protocol,
                  backend: 'a',
                  l4Routes: [
                    { sni: ['other.example.com'], targets: [{ backend: 'missing' }] },
                    { sni: ['*.b.example.com'], targets: [{ backend: 'b' }] },
                  ],
                },
              ],
            },
          },
          backends: { a: backend(2), b: backend(3) },
          policies: {
            'no-evil': {
              body: {
                case: 'authz',
                value: {
                  action: 1,
                  rules: [
                    {
                      when: [{ key: 'connection.sni', values: [{ m: { case: 'exact', value: 'evil.example.com' } }] }],
                    },
                  ],
                },
              },
            },
          },
        });
        return arrived.promise;
      };
      const sayHello = async (servername: string) => {
        const socket = tunnelSocket(await mesh.tunnel());
        const client = tlsConnect({ socket, servername });
        client.on('error', () => undefined);
        return { client, closed: new Promise<string>((resolve) => socket.once('close', () => resolve('closed'))) };
      };

      for (const protocol of [5, 0]) {
        test(`is routed by the name that the client asks for, on a port of protocol ${protocol}`, async () => {
          const arrived = twoBackends(protocol);
          const { client } = await sayHello('x.b.example.com');
          assert.equal(await arrived, 3);
          client.destroy();
        });
      }

      test('goes to the default destination when no route has the name', async () => {
        const arrived = twoBackends(5);
        const { client } = await sayHello('b.example.com');
        assert.equal(await arrived, 2);
        client.destroy();
      });

      test('is subject to policies of the name', async () => {
        const arrived = twoBackends(5);
        const { closed } = await sayHello('evil.example.com');
        assert.equal(await Promise.race([closed, arrived]), 'closed');
      });
    });

    test('a port of unknown protocol is sniffed', async () => {
      setProtocol(0);
      mesh.addWorkload(2, { raw: echo });
      assert.equal(await exchange('\u0000\u0001binary'), '\u0000\u0001binary');
    });

    test('limits of the backend hold: silence ends a connection, one too many is refused', async () => {
      setProtocol(4);
      mesh.addWorkload(2, { raw: echo });
      mesh.configure({
        backends: {
          [`apps/${HOSTNAME}/80`]: {
            hostname: HOSTNAME,
            port: 80,
            serviceNamespace: 'apps',
            serviceName: 'reviews',
            pool: { maxConnections: 1, tcpIdle: { seconds: 0n, nanos: 300_000_000 } },
          },
        },
      });
      const first = tunnelSocket(await mesh.tunnel());
      const ended = new Promise((resolve) => {
        for (const event of ['end', 'close']) first.once(event, resolve);
      });
      first.write('x');
      await new Promise((resolve) => first.once('data', resolve));
      assert.equal(await exchange('y'), 'closed');
      await ended;
      assert.equal(await exchange('z'), 'z');
    });

    test('a connection that a new policy denies is ended', async () => {
      setProtocol(4);
      mesh.addWorkload(2, { raw: echo });
      const ports = [{ port: 80, protocol: 4, backend: backendKey }];
      const socket = tunnelSocket(await mesh.tunnel());
      socket.write('one');
      assert.equal(
        await new Promise((resolve) => socket.once('data', (piece: Buffer) => resolve(piece.toString()))),
        'one',
      );
      const ended = new Promise<void>((resolve) => {
        socket.once('end', resolve);
        socket.once('close', resolve);
      });
      mesh.configure({
        frontends: { [frontendKey]: { hostname: HOSTNAME, namespace: 'apps', ports, policies: [{ policy: 'p' }] } },
        policies: { p: { body: { case: 'authz', value: { action: 1, rules: [{}] } } } },
      });
      await ended;
      socket.destroy();
    });

    test('policies hold for raw connections', async () => {
      setProtocol(4);
      mesh.addWorkload(2, { raw: echo });
      mesh.configure({
        frontends: {
          [frontendKey]: {
            hostname: HOSTNAME,
            namespace: 'apps',
            ports: [{ port: 80, protocol: 4, backend: backendKey }],
            policies: [{ policy: 'gone', failClosedIfMissing: true }],
          },
        },
      });
      assert.equal(await exchange('hello'), 'closed');
      assert.deepEqual(mesh.upstreamAuthorities, []);
      assert.match(await mesh.metrics(), /istio_tcp_connections_closed_total/);
    });
  });
});
