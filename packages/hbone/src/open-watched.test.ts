// A peer that drains while a CONNECT waits for its answer: real sockets and TLS on loopback, and a server on core http2
// whose every answer the test gives, because a peer that behaves like ours answers what its GOAWAY covers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { before, suite, test } from 'node:test';
import { testCa } from '@ambit/identity/testing';
import { connect, createTlsContext, hostDomain, isSecureEngineUsable, secureClient } from '@ambit/net';
import { readSome, send } from '@ambit/net/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock, type FakeClock } from '@ambit/runtime/testing';
import { BYTE_ENGINES, type ByteEngine } from './byte-engine.ts';
import { HboneError } from './errors.ts';
import { LEAVING_ANSWER_MS } from './open-watched.ts';
import { createHbonePool } from './pool.ts';
import type { BenchCertificate } from './testing/tunnel-bench.ts';
import type { TunnelStream } from './tunnel.ts';

const ca = testCa();
let client: BenchCertificate;
let server: BenchCertificate;
before(async () => {
  client = await ca.issue(ca.identity('a', 'client'));
  server = await ca.issue(ca.identity('b', 'server'));
});

/** Covers every stream: "I am going away soon", what a graceful shutdown sends first. */
const COVERS_ALL = 2 ** 31 - 1;

interface Bench {
  readonly clock: FakeClock;
  /** Asks the pool for one more tunnel. */
  open(options?: { signal?: AbortSignal }): Promise<TunnelStream<string>>;
  /** The next CONNECT that arrives at the server, on whichever connection. */
  arrived(): Promise<ServerHttp2Stream>;
  /** Sends GOAWAY on the connection of this CONNECT and waits until the pool knows. */
  leave(stream: ServerHttp2Stream): Promise<void>;
  /** Ends all TCP connections of the server without a word of HTTP/2. */
  cut(): void;
  /** From now on no connection is made. */
  refuseDials(): void;
  dials(): number;
}

async function withBench(engine: ByteEngine, body: (bench: Bench) => Promise<void>): Promise<void> {
  const far: Http2SecureServer = createSecureServer({
    key: server.privateKeyPem,
    cert: server.certChainPem,
    ca: client.rootsPem,
    requestCert: true,
  });
  const streams: ServerHttp2Stream[] = [];
  const sockets: Socket[] = [];
  far.on('connection', (socket: Socket) => sockets.push(socket));
  far.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    streams.push(stream);
    far.emit('arrived');
  });
  far.on('session', (session) => session.on('error', () => undefined));
  far.listen(0, '127.0.0.1');
  await once(far, 'listening');
  const { port } = far.address() as AddressInfo;
  const clock = createFakeClock();
  const tls = createTlsContext(client);
  let dials = 0;
  let isOpen = true;
  const pool = createHbonePool<string>({
    log: silentLogger,
    engine,
    clock,
    dial: async () => {
      if (!isOpen) throw new Error('nobody listens');
      dials += 1;
      const socket = await connect(hostDomain, { host: '127.0.0.1', port });
      return secureClient(socket, tls, { verifyPeer: () => 'server', engine: engine.secure });
    },
  });
  const key = { source: 'client', destination: `127.0.0.1:${port}`, expected: ['server'] };
  try {
    await body({
      clock,
      open: (options = {}) => pool.open(key, { authority: '10.0.0.1:80', ...options }),
      async arrived() {
        while (streams.length === 0) await once(far, 'arrived');
        return streams.shift() as ServerHttp2Stream;
      },
      async leave(stream) {
        stream.session?.goaway(0, COVERS_ALL);
        while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
      },
      cut: () => sockets.splice(0).forEach((socket) => socket.destroy()),
      refuseDials: () => void (isOpen = false),
      dials: () => dials,
    });
  } finally {
    pool.destroy(new Error('bench over'));
    await pool.closed;
    far.close();
  }
}

async function assertCarries(tunnel: TunnelStream<string>, far: ServerHttp2Stream): Promise<void> {
  send(tunnel, 'ping');
  const [bytes] = (await once(far, 'data')) as [Buffer];
  assert.equal(bytes.toString(), 'ping');
  far.write('pong');
  assert.equal((await readSome(tunnel, 4)).toString(), 'pong');
}

const usable = Object.values(BYTE_ENGINES).filter(({ secure }) => isSecureEngineUsable(secure) === true);
for (const engine of usable) {
  suite(`a peer that drains before it answers, ${engine.name}`, { timeout: 60_000 }, () => {
    test('and stays silent is left: the same is asked of another connection', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        const ended = once(first, 'close');
        await bench.leave(first);
        await bench.clock.advance(LEAVING_ANSWER_MS);
        const second = await bench.arrived();
        second.respond({ ':status': 200 });
        await assertCarries(await opening, second);
        await ended;
        assert.equal(first.rstCode, 8, 'the first request was given up with CANCEL');
        assert.equal(bench.dials(), 2);
      }));

    test('and answers in time has its tunnel used', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        await bench.leave(first);
        first.respond({ ':status': 200 });
        const tunnel = await opening;
        await bench.clock.advance(LEAVING_ANSWER_MS);
        await assertCarries(tunnel, first);
        assert.equal(bench.dials(), 1);
      }));

    test('and answers late, but before the other connection did, has its tunnel used and the other is given up', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        await bench.leave(first);
        await bench.clock.advance(LEAVING_ANSWER_MS);
        const second = await bench.arrived();
        const ended = once(second, 'close');
        first.respond({ ':status': 200 });
        const tunnel = await opening;
        await ended;
        assert.equal(second.rstCode, 8);
        await assertCarries(tunnel, first);
      }));

    test('and cuts the connection never took the request: it is asked elsewhere at once', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        await bench.leave(first);
        bench.cut();
        const second = await bench.arrived();
        second.respond({ ':status': 200 });
        await assertCarries(await opening, second);
      }));

    test('and refuses has answered: nothing is asked again', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        await bench.leave(first);
        first.respond({ ':status': 401 }, { endStream: true });
        await assert.rejects(opening, (error: unknown) => HboneError.is(error) && error.status === 401);
        assert.equal(bench.dials(), 1);
      }));

    test('and is the only one left is waited for, when no other connection can be made', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        const first = await bench.arrived();
        bench.refuseDials();
        await bench.leave(first);
        await bench.clock.advance(LEAVING_ANSWER_MS);
        first.respond({ ':status': 200 });
        await assertCarries(await opening, first);
      }));

    test('and is given up by the caller ends both requests with the reason of the caller', () =>
      withBench(engine, async (bench) => {
        const abort = new AbortController();
        const opening = bench.open({ signal: abort.signal });
        const first = await bench.arrived();
        await bench.leave(first);
        await bench.clock.advance(LEAVING_ANSWER_MS);
        const second = await bench.arrived();
        const ends = Promise.all([once(first, 'close'), once(second, 'close')]);
        abort.abort(new Error('the application left'));
        await assert.rejects(opening, { message: 'the application left' });
        await ends;
      }));

    test('without a GOAWAY a connection that breaks is not asked again elsewhere', () =>
      withBench(engine, async (bench) => {
        const opening = bench.open();
        await bench.arrived();
        bench.cut();
        await assert.rejects(opening, { code: 'ERR_HBONE_CONNECTION_LOST' });
        assert.equal(bench.dials(), 1);
      }));
  });
}
