// The tunnel as a whole: real sockets, TLS and HTTP/2 on loopback.
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { type Endpoint, Region, relay } from '@ambit/net';
import { closed, collect, endpointContract, memoryPair, readSome, send, writeAll } from '@ambit/net/testing';
import { testCa } from '@ambit/identity/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { BYTE_ENGINES } from './byte-engine.ts';
import { createHboneServer } from './server.ts';
import { openInnerTunnel } from './double.ts';
import { HboneError } from './errors.ts';
import {
  type BenchCertificate,
  type TunnelBench,
  tunnelBench,
  type TunnelBenchOptions,
} from './testing/tunnel-bench.ts';
import { DEFAULT_LIMITS, type TunnelRequest } from './tunnel.ts';
import { createTlsContext, isSecureEngineUsable } from '@ambit/net';

const ca = testCa();
let client: BenchCertificate;
let server: BenchCertificate;
before(async () => {
  client = await ca.issue(ca.identity('a', 'client'));
  server = await ca.issue(ca.identity('b', 'server'));
});

type Setup = Partial<TunnelBenchOptions> & Pick<TunnelBenchOptions, 'onTunnel'>;

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** Every engine that can run here, on both ends in every combination. */
const usable = Object.values(BYTE_ENGINES).filter(({ secure }) => isSecureEngineUsable(secure) === true);
const pairs = usable.flatMap((clientEngine) => usable.map((serverEngine) => ({ clientEngine, serverEngine })));

const echo = (request: TunnelRequest<string>): void => {
  const endpoint = request.accept({ baggage: 'k8s.namespace.name=b' });
  const pump = (): void => {
    for (;;) {
      const region = endpoint.read();
      if (typeof region === 'symbol') {
        if (region.description === 'eof') endpoint.shutdownWrite();
        return;
      }
      endpoint.write([Region.of(Buffer.from(region.bytes))]);
      region.release();
    }
  };
  endpoint.onReadable = pump;
  pump();
};

for (const { clientEngine, serverEngine } of pairs) {
  const name = `${clientEngine.name} to ${serverEngine.name}`;
  const engines = { clientEngine, serverEngine };
  const openPair = async (): Promise<{ dialled: Endpoint; accepted: Endpoint; dispose: () => Promise<void> }> => {
    const accepted = Promise.withResolvers<Endpoint>();
    const onTunnel = (request: TunnelRequest<string>): void => accepted.resolve(request.accept());
    const bench = await tunnelBench({ client, server, ...engines, onTunnel });
    const dialled = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
    return { dialled, accepted: await accepted.promise, dispose: () => bench.close() };
  };
  endpointContract(`HBONE stream, ${name}`, async () => {
    const { dialled, accepted, dispose } = await openPair();
    return { a: dialled, b: accepted, dispose };
  });
  const isSame = clientEngine === serverEngine;
  if (isSame) {
    endpointContract(`HBONE stream, ${name}, server side first`, async () => {
      const { dialled, accepted, dispose } = await openPair();
      return { a: accepted, b: dialled, dispose };
    });
  }
  tunnelSuite(name, isSame, async (setup, body) => {
    const bench = await tunnelBench({ client, server, ...engines, ...setup });
    try {
      await body(bench);
    } finally {
      await bench.close();
    }
  });
}

function tunnelSuite(
  name: string,
  /** Tests with many megabytes or thousands of streams, once per engine. */
  withLoad: boolean,
  withBench: (setup: Setup, body: (bench: TunnelBench) => Promise<void>) => Promise<void>,
): void {
  suite(`tunnel, ${name}`, { timeout: 600_000 }, () => {
    test('carries authority and headers one way, status headers the other, and bytes both ways', () => {
      let seen: TunnelRequest<string> | undefined;
      const onTunnel = (request: TunnelRequest<string>): void => {
        seen = request;
        echo(request);
      };
      return withBench({ onTunnel }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, {
          authority: '10.0.0.1:80',
          headers: { baggage: 'k8s.namespace.name=a', forwarded: 'for="1.2.3.4:5"' },
        });
        assert.equal(seen?.authority, '10.0.0.1:80');
        assert.deepEqual({ ...seen?.headers }, { baggage: 'k8s.namespace.name=a', forwarded: 'for="1.2.3.4:5"' });
        assert.deepEqual({ ...tunnel.responseHeaders }, { baggage: 'k8s.namespace.name=b' });
        assert.equal(seen?.peer, 'client');
        assert.equal(tunnel.peer, 'server');
        send(tunnel, 'hello');
        assert.equal((await readSome(tunnel, 5)).toString(), 'hello');
        tunnel.shutdownWrite();
        assert.equal((await collect(tunnel)).length, 0);
      });
    });

    test('a status other than 200 is an error with that status and a hint', () =>
      withBench({ onTunnel: (request) => request.reject(401) }, async (bench) => {
        await assert.rejects(bench.pool.open(bench.key, { authority: '10.0.0.1:80' }), (error: unknown) => {
          assert.ok(HboneError.is(error));
          assert.equal(error.code, 'ERR_HBONE_STATUS');
          assert.equal(error.status, 401);
          assert.equal(error.message, 'http status: 401 Unauthorized');
          assert.match(error.hint ?? '', /authorization policy/);
          return true;
        });
      }));

    test('why a tunnel was refused is logged, and not told to the peer', () => {
      const log = createCapturingLogger();
      return withBench({ onTunnel: (request) => request.reject(503, 'nobody at home'), log }, async (bench) => {
        await assert.rejects(bench.pool.open(bench.key, { authority: '10.0.0.1:80' }), (error: unknown) => {
          assert.ok(HboneError.is(error) && !error.message.includes('nobody'));
          return true;
        });
        const line = log.lines.find(({ message }) => message === 'tunnel refused');
        assert.deepEqual(
          { ...line?.fields, peer: undefined },
          {
            peer: undefined,
            authority: '10.0.0.1:80',
            status: 503,
            reason: 'nobody at home',
          },
        );
      });
    });

    test('many requests at once share one dial and one connection', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        const opened = await Promise.all(
          Array.from({ length: 50 }, () => bench.pool.open(bench.key, { authority: '10.0.0.1:80' })),
        );
        assert.equal(bench.dials(), 1);
        assert.equal(bench.pool.stats().streams, 50);
        for (const tunnel of opened) tunnel.close();
      }));

    test('a connection at its stream limit makes the pool open another', () =>
      withBench({ onTunnel: echo, clientLimits: { maxStreamsPerConnection: 2 } }, async (bench) => {
        await Promise.all(Array.from({ length: 5 }, () => bench.pool.open(bench.key, { authority: '10.0.0.1:80' })));
        assert.equal(bench.dials(), 3);
      }));

    test('different keys never share a connection', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        await bench.pool.open({ ...bench.key, source: 'other' }, { authority: '10.0.0.1:80' });
        await bench.pool.open({ ...bench.key, expected: ['server', 'alias'] }, { authority: '10.0.0.1:80' });
        await bench.pool.open({ ...bench.key, sourceAddress: '10.0.0.9' }, { authority: '10.0.0.1:80' });
        assert.equal(bench.dials(), 4);
      }));

    test('a refused peer is an error, is not remembered, and delivers nothing', () => {
      let refuse = true;
      const verifyServer = (): string => {
        if (refuse) throw new Error('wrong identity');
        return 'server';
      };
      return withBench({ onTunnel: echo, verifyServer }, async (bench) => {
        await assert.rejects(bench.pool.open(bench.key, { authority: '10.0.0.1:80' }), {
          code: 'ERR_HBONE_UNEXPECTED_PEER',
        });
        refuse = false;
        await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
      });
    });

    test('a client that the server refuses gets no stream', () => {
      let tunnels = 0;
      const verifyClient = (): string => {
        throw new Error('unknown trust domain');
      };
      return withBench({ onTunnel: () => (tunnels += 1), verifyClient }, async (bench) => {
        await assert.rejects(bench.pool.open(bench.key, { authority: '10.0.0.1:80' }), (error: unknown) =>
          HboneError.is(error),
        );
        assert.equal(tunnels, 0);
      });
    });

    test('an aborted open leaves nothing behind', () => {
      const offered = Promise.withResolvers<TunnelRequest>();
      return withBench({ onTunnel: offered.resolve }, async (bench) => {
        const abort = new AbortController();
        const opening = bench.pool.open(bench.key, { authority: '10.0.0.1:80', signal: abort.signal });
        const request = await offered.promise;
        const abandoned = new Promise<Error>((resolve) => (request.onAbandoned = resolve));
        abort.abort(new Error('client left'));
        await assert.rejects(opening, { message: 'client left' });
        assert.match((await abandoned).message, /stream reset by/);
        // Who asks late hears of it too.
        const late = await new Promise<Error>((resolve) => (request.onAbandoned = resolve));
        assert.equal(late, await abandoned);
        assert.equal(bench.pool.stats().streams, 0);
      });
    });

    test('a silent server is given up after the time limit', () =>
      withBench({ onTunnel: () => {} }, async (bench) => {
        await assert.rejects(bench.pool.open(bench.key, { authority: '10.0.0.1:80', timeoutMs: 50 }), {
          code: 'ERR_HBONE_TIMEOUT',
        });
      }));

    test('a broken connection ends its tunnels with an error and the next open dials again', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        const end = closed(tunnel);
        send(tunnel, 'x');
        await readSome(tunnel, 1);
        bench.server.destroyWhere(() => true, new Error('revoked'));
        void collect(tunnel);
        await end;
        await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        assert.equal(bench.dials(), 2);
      }));

    test('a draining server closes also when the last tunnel ends at the same moment', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        bench.server.close();
        tunnel.shutdownWrite();
        await collect(tunnel);
        await bench.server.closed;
      }));

    test('a tunnel that is accepted and closed at once is an accepted tunnel with its data', () => {
      const onTunnel = (request: TunnelRequest<string>): void => {
        const tunnel = request.accept();
        if (request.authority === 'data:1') send(tunnel, 'bye');
        tunnel.close();
      };
      return withBench({ onTunnel }, async (bench) => {
        for (const [authority, expected] of [
          ['none:1', ''],
          ['data:1', 'bye'],
        ] as const) {
          const tunnels = await Promise.all(
            Array.from({ length: 20 }, () => bench.pool.open(bench.key, { authority })),
          );
          for (const tunnel of tunnels) assert.equal((await collect(tunnel)).toString(), expected);
        }
      });
    });

    test('close tells a peer that goes on sending to stop', () => {
      const onTunnel = (request: TunnelRequest<string>): void => request.accept().close();
      return withBench({ onTunnel }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        const end = closed(tunnel);
        send(tunnel, 'nobody reads this');
        await collect(tunnel);
        assert.equal(await end, undefined);
      });
    });

    test('a cut connection ends its tunnels with an error, on both sides', () => {
      const accepted = Promise.withResolvers<Endpoint>();
      return withBench({ onTunnel: (request) => accepted.resolve(request.accept()) }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        const far = await accepted.promise;
        const ends = Promise.all([closed(tunnel), closed(far)]);
        void collect(tunnel);
        void collect(far);
        bench.sockets[0]?.destroy(new Error('cable pulled'));
        for (const end of await ends)
          assert.ok(HboneError.is(end) && end.code === 'ERR_HBONE_CONNECTION_LOST', String(end));
      });
    });

    test('a draining server lets open tunnels finish and the pool goes elsewhere', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        bench.server.close();
        send(tunnel, 'still here');
        assert.equal((await readSome(tunnel, 10)).toString(), 'still here');
        tunnel.shutdownWrite();
        await collect(tunnel);
        await bench.server.closed;
      }));

    test('forget takes a connection out of use without ending its tunnels', () =>
      withBench({ onTunnel: echo }, async (bench) => {
        const old = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        bench.pool.forget(() => true);
        await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        assert.equal(bench.dials(), 2);
        send(old, 'alive');
        assert.equal((await readSome(old, 5)).toString(), 'alive');
      }));

    if (withLoad) {
      test('streams that die with queued bytes give the connection window back', () => {
        const held: Endpoint[] = [];
        const onTunnel = (request: TunnelRequest<string>): void => {
          if (request.authority === 'hold:1') held.push(request.accept());
          else echo(request);
        };
        return withBench({ onTunnel }, async (bench) => {
          // 12 streams with up to 4 MiB unread each: three times the connection window.
          for (let i = 0; i < 12; i += 1) {
            const tunnel = await bench.pool.open(bench.key, { authority: 'hold:1' });
            for (let at = 0; at < 64; at += 1) tunnel.write([Region.of(Buffer.alloc(64 * 1024))]);
            await new Promise((resolve) => setTimeout(resolve, 20));
            tunnel.destroy(new Error('gave up'));
            held.pop()?.destroy(new Error('gave up'));
          }
          const tunnel = await bench.pool.open(bench.key, { authority: 'echo:1' });
          const got = collect(tunnel);
          await writeAll(tunnel, Buffer.alloc(20 * 1024 * 1024, 1), 256 * 1024);
          tunnel.shutdownWrite();
          assert.equal((await got).length, 20 * 1024 * 1024);
          assert.equal(bench.dials(), 1);
        });
      });
    }

    test('one handshake too many under way from one address is ended at once; the others go on, and room comes back', () =>
      withBench({ onTunnel: echo, serverLimits: { maxHandshakesPerSource: 3 } }, async (bench) => {
        assert.equal(DEFAULT_LIMITS.maxHandshakesPerSource, 512);
        const silent: Endpoint[] = [];
        for (let count = 1; count <= 3; count += 1) {
          silent.push(await bench.dialSilently());
          await until(() => bench.server.connections === count);
        }
        // Ended so fast that the connect itself may fail.
        const refused = await bench.dialSilently().catch(() => undefined);
        await until(() => bench.limited.length > 0);
        assert.deepEqual(bench.limited, ['handshakes']);
        assert.equal(bench.server.connections, 3);
        silent[0]?.destroy(new Error('left'));
        await until(() => bench.server.connections === 2);
        const tunnel = await bench.pool.open(bench.key, { authority: '10.0.0.1:80' });
        tunnel.close();
        for (const one of [...silent, refused]) one?.destroy(new Error('over'));
      }));

    if (withLoad) {
      test('three thousand ordinary resets do not end the connection', () =>
        withBench({ onTunnel: (request) => void request.accept() }, async (bench) => {
          for (let round = 0; round < 30; round += 1) {
            const tunnels = await Promise.all(
              Array.from({ length: 100 }, () => bench.pool.open(bench.key, { authority: '10.0.0.1:80' })),
            );
            for (const tunnel of tunnels) tunnel.destroy(new Error('reset'));
            while (bench.pool.stats().streams > 0) await new Promise((resolve) => setImmediate(resolve));
          }
          assert.equal(bench.dials(), 1);
        }));
    }

    test('a peer that resets before the answer, again and again, is cut off', () =>
      withBench(
        { onTunnel: () => {}, serverLimits: { earlyResetBurst: 50, earlyResetPerSecond: 1 } },
        async (bench) => {
          for (let i = 0; i < 200 && bench.dials() < 2; i += 1) {
            const options = { authority: '10.0.0.1:80', timeoutMs: 2 };
            await bench.pool.open(bench.key, options).catch(() => undefined);
          }
          assert.ok(bench.dials() >= 2, 'the first connection survived');
          assert.equal(bench.limited[0], 'resets');
        },
      ));

    test('double HBONE: the gateway carries an inner tunnel that it cannot read', () => {
      const inner = createHboneServer<string>({
        tls: createTlsContext(server),
        verifyPeer: () => 'outer client',
        onTunnel: echo,
        log: silentLogger,
      });
      const onTunnel = (request: TunnelRequest<string>): void => {
        const [gatewaySide, podSide] = memoryPair();
        void relay(request.accept(), gatewaySide);
        inner.accept(podSide);
      };
      return withBench({ onTunnel }, async (bench) => {
        const outer = await bench.pool.open(bench.key, { authority: 'reviews.b.svc.cluster.local:9080' });
        const tunnel = await openInnerTunnel(outer, {
          authority: 'reviews.b.svc.cluster.local:9080',
          headers: { 'x-forwarded-network': 'n1' },
          tls: bench.clientContext,
          verifyPeer: () => 'service',
          log: silentLogger,
        });
        send(tunnel, 'through both');
        assert.equal((await readSome(tunnel, 12)).toString(), 'through both');
        tunnel.shutdownWrite();
        await collect(tunnel);
        inner.destroy(new Error('over'));
      });
    });
  });
}
