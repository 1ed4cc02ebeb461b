// Websockets over both HTTP versions on both sides, and the places they take (spec/waypoint.md 5.10; RFC 8441).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as http2Connect,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

describe('websockets', () => {
  let mesh: TestMesh;
  const sessions: ClientHttp2Session[] = [];
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
    mesh.close();
  });

  const setPort = (protocol: number, maxRequests = 0): void =>
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
          pool: { maxRequests },
        },
      },
    });

  /** A backend that upgrades HTTP/1.1 and echoes; `seen` gets the heads. */
  const serveUpgrades = (seen: string[], accept = acceptOf) => {
    const raw = (socket: Duplex): void => {
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end());
      socket.once('data', (head: Buffer) => {
        seen.push(head.toString());
        const key = /sec-websocket-key: (.*)\r\n/i.exec(head.toString())?.[1] ?? '';
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
            `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n`,
        );
        socket.on('data', (piece: Buffer) => socket.write(`echo ${piece.toString()}`));
      });
    };
    mesh.addWorkload(2, { raw });
  };

  /** A backend that takes extended CONNECTs and echoes. */
  const serveExtended = (seen: Record<string, unknown>[]) => {
    const raw = (socket: Duplex): void => {
      const session = performServerHandshake(socket, { settings: { enableConnectProtocol: true } });
      session.on('error', () => undefined);
      session.on('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
        stream.on('error', () => undefined);
        seen.push(headers);
        stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
        stream.on('data', (piece: Buffer) => stream.write(`echo ${piece.toString()}`));
        stream.on('end', () => stream.end());
      });
    };
    mesh.addWorkload(2, { raw });
  };

  const openSession = async (): Promise<ClientHttp2Session> => {
    const socket = tunnelSocket(await mesh.tunnel());
    const session = http2Connect('http://reviews', { createConnection: () => socket });
    session.on('error', () => undefined);
    sessions.push(session);
    if (session.remoteSettings.enableConnectProtocol !== true) await once(session, 'remoteSettings');
    return session;
  };

  const openExtended = async (
    headers: Record<string, string> = {},
  ): Promise<{ readonly stream: ClientHttp2Stream; readonly response: Record<string, unknown> }> => {
    const session = await openSession();
    const stream = session.request(
      { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws', 'sec-websocket-version': '13', ...headers },
      { endStream: false },
    );
    stream.on('error', () => undefined);
    const [response] = (await once(stream, 'response')) as [Record<string, unknown>];
    return { stream, response };
  };

  const openUpgrade = async (key: string): Promise<{ readonly duplex: Duplex; readonly accept: unknown }> => {
    const socket = tunnelSocket(await mesh.tunnel());
    const request = httpRequest({
      path: '/ws',
      headers: { host: 'x', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': key },
      createConnection: () => socket,
    });
    request.end();
    return new Promise((resolve, reject) => {
      request.on('upgrade', (response, duplex) =>
        resolve({ duplex, accept: response.headers['sec-websocket-accept'] }),
      );
      request.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
      request.on('error', reject);
    });
  };

  const echoOf = async (duplex: Duplex, text: string): Promise<string> => {
    duplex.write(text);
    return String(((await once(duplex, 'data')) as [Buffer])[0]);
  };

  test('an extended CONNECT becomes an upgrade of HTTP/1.1, with a key of its own', async () => {
    const seen: string[] = [];
    serveUpgrades(seen);
    const { stream, response } = await openExtended({ 'sec-websocket-protocol': 'chat' });
    assert.equal(response[':status'], 200);
    assert.equal(response['sec-websocket-accept'], undefined);
    assert.equal(await echoOf(stream, 'one'), 'echo one');
    assert.match(seen[0] ?? '', /^GET \/ws HTTP\/1\.1\r\n/);
    assert.match(seen[0] ?? '', /connection: upgrade\r\n/i);
    assert.match(seen[0] ?? '', /upgrade: websocket\r\n/i);
    assert.match(seen[0] ?? '', /sec-websocket-protocol: chat\r\n/i);
  });

  test('a backend that does not know the key it was given gets no websocket, and no place', async () => {
    setPort(1, 1);
    serveUpgrades([], () => 'something else');
    for (let turn = 0; turn < 2; turn++) {
      const { response } = await openExtended();
      assert.equal(response[':status'], 502);
    }
  });

  test('an upgrade becomes an extended CONNECT where the backend announces it', async () => {
    setPort(2);
    const seen: Record<string, unknown>[] = [];
    serveExtended(seen);
    const key = randomBytes(16).toString('base64');
    const { duplex, accept } = await openUpgrade(key);
    assert.equal(accept, acceptOf(key));
    assert.equal(await echoOf(duplex, 'one'), 'echo one');
    assert.equal(seen[0]?.[':method'], 'CONNECT');
    assert.equal(seen[0]?.[':protocol'], 'websocket');
    assert.equal(seen[0]?.[':path'], '/ws');
    assert.equal(seen[0]?.['sec-websocket-key'], undefined);
    assert.equal(seen[0]?.['upgrade'], undefined);
    duplex.destroy();
  });

  test('an extended CONNECT stays one', async () => {
    setPort(2);
    serveExtended([]);
    const { stream, response } = await openExtended();
    assert.equal(response[':status'], 200);
    assert.equal(response['sec-websocket-protocol'], 'chat');
    assert.equal(await echoOf(stream, 'one'), 'echo one');
    stream.end();
    await once(stream, 'end');
  });

  test('a protocol other than websocket is refused', async () => {
    mesh.addWorkload(2);
    const session = await openSession();
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'connect-udp', ':path': '/' });
    const [response] = (await once(stream, 'response')) as [Record<string, unknown>];
    assert.equal(response[':status'], 403);
  });

  test('policies see an extended CONNECT as the GET that it stands for', async () => {
    serveUpgrades([]);
    mesh.configure({
      policies: {
        deny: {
          meta: { kind: 'AuthorizationPolicy', namespace: 'apps', name: 'no-get' },
          body: {
            case: 'authz',
            value: {
              action: 1,
              rules: [{ id: '0', to: [{ methods: [{ m: { case: 'exact', value: 'GET' } }] }] }],
            },
          },
        },
      },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey }],
          policies: [{ policy: 'deny' }],
        },
      },
    });
    const { response } = await openExtended();
    assert.equal(response[':status'], 403);
  });

  for (const protocol of [1, 2]) {
    test(`the last bytes arrive although the other side has ended, over protocol ${protocol}`, async () => {
      setPort(protocol);
      const last = Buffer.alloc(512 * 1024, 'x').toString();
      const arrived = Promise.withResolvers<number>();
      const count = (duplex: Duplex): void => {
        let bytes = 0;
        duplex.on('data', (piece: Buffer) => (bytes += piece.length));
        duplex.on('end', () => arrived.resolve(bytes));
      };
      const raw = (socket: Duplex): void => {
        socket.on('error', () => undefined);
        if (protocol === 2) {
          const session = performServerHandshake(socket, { settings: { enableConnectProtocol: true } });
          session.on('error', () => undefined);
          session.on('stream', (stream) => {
            stream.on('error', () => undefined);
            stream.respond({ ':status': 200 });
            stream.end();
            count(stream);
          });
          return;
        }
        socket.once('data', (head: Buffer) => {
          const key = /sec-websocket-key: (.*)\r\n/i.exec(head.toString())?.[1] ?? '';
          socket.end(
            `HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
          );
          count(socket);
        });
      };
      mesh.addWorkload(2, { raw });
      const { stream } = await openExtended();
      stream.resume();
      stream.end(last);
      assert.equal(await arrived.promise, last.length);
    });
  }

  test('a websocket gives its place back when it is over', async () => {
    setPort(1, 1);
    serveUpgrades([]);
    const { stream } = await openExtended();
    assert.equal((await mesh.get('/')).status, 503, 'the only place is taken');
    stream.close();
    while (!mesh.accessLines.some((line) => line.includes(' 101 ')))
      await new Promise((resolve) => setImmediate(resolve));
    const key = randomBytes(16).toString('base64');
    const { duplex } = await openUpgrade(key);
    duplex.destroy();
  });
});
