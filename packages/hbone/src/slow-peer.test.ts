// A connection that is given up while its peer is slow: what was sent before arrives. Every engine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as dialTcp, createServer, type Socket } from 'node:net';
import { before, suite, test } from 'node:test';
import { testCa } from '@ambit/identity/testing';
import { connect, createTlsContext, hostDomain, isSecureEngineUsable, Region, secureClient } from '@ambit/net';
import { closed, collect } from '@ambit/net/testing';
import { silentLogger as log } from '@ambit/runtime/log';
import { BYTE_ENGINES } from './byte-engine.ts';
import { createHbonePool } from './pool.ts';
import { type BenchCertificate, tunnelBench } from './testing/tunnel-bench.ts';

const ca = testCa();
let client: BenchCertificate;
let server: BenchCertificate;
before(async () => {
  client = await ca.issue(ca.identity('a', 'client'));
  server = await ca.issue(ca.identity('b', 'server'));
});

/** Longer than any grace period after which an engine cuts what it has given up, but the one for complete streams. */
const STALL_MS = 2500;
const ANSWER_BYTES = 3_000_000;

/** A road that can be blocked: bytes towards the client stay where they are. */
async function road(target: number): Promise<{ port: number; block(): void; free(): void; close(): void }> {
  const clients = new Set<Socket>();
  const servers = new Set<Socket>();
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const onward = dialTcp({ host: '127.0.0.1', port: target, allowHalfOpen: true });
    clients.add(socket);
    servers.add(onward);
    socket.on('error', () => onward.destroy()).on('close', () => onward.destroy());
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroySoon());
    socket.pipe(onward).pipe(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    block: () => servers.forEach((socket) => socket.pause()),
    free: () => servers.forEach((socket) => socket.resume()),
    close() {
      listener.close();
      for (const socket of [...clients, ...servers]) socket.destroy();
    },
  };
}

for (const engine of Object.values(BYTE_ENGINES)) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  suite(`a slow peer, engine ${engine.name}`, { timeout: 60_000 }, () => {
    test('a draining server delivers the rest of an answer, however long the peer stands still', async () => {
      const accepted = Promise.withResolvers<void>();
      const sent = Promise.withResolvers<void>();
      const bench = await tunnelBench({
        client,
        server,
        serverEngine: engine,
        onTunnel(request) {
          const endpoint = request.accept();
          accepted.resolve();
          sent.promise.then(
            () => {
              endpoint.write([Region.of(Buffer.alloc(ANSWER_BYTES, 7))]);
              endpoint.shutdownWrite();
            },
            (error: Error) => endpoint.destroy(error),
          );
        },
      });
      const way = await road(Number(bench.key.destination.split(':')[1]));
      const context = createTlsContext(client);
      const pool = createHbonePool({
        log,
        engine,
        dial: async () =>
          secureClient(await connect(hostDomain, { host: '127.0.0.1', port: way.port }), context, {
            verifyPeer: () => 'server',
            engine: engine.secure,
          }),
      });
      try {
        const tunnel = await pool.open(bench.key, { authority: '10.0.0.1:80' });
        await accepted.promise;
        tunnel.shutdownWrite();
        const answer = collect(tunnel);
        const lost = closed(tunnel).then((error) => assert.ifError(error));
        way.block();
        sent.resolve();
        bench.server.close();
        await new Promise((resolve) => setTimeout(resolve, STALL_MS));
        way.free();
        const [{ length }] = await Promise.all([answer, lost]);
        assert.equal(length, ANSWER_BYTES);
        await bench.server.closed;
      } finally {
        pool.destroy(new Error('the test is over'));
        way.close();
        await bench.close();
      }
    });
  });
}
