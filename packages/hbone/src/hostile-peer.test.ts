// A peer with a valid certificate that sends what HTTP/2 forbids, or far more of what it allows than anybody needs, against
// every engine over real TLS (performance-and-reliability 3.5 and 4.3). What must hold: its connection ends or it gets nothing
// for its trouble, memory does not follow its bytes, and a tunnel of somebody else goes on.
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { testCa } from '@ambit/identity/testing';
import { AGAIN, EOF, type Endpoint, fullBlocks, isSecureEngineUsable, smallBlocks } from '@ambit/net';
import { readSome, send } from '@ambit/net/testing';
import { BYTE_ENGINES } from './byte-engine.ts';
import { connectAttacker, runAttack } from './testing/attacker.ts';
import { type Attack, attacks, rapidReset } from './testing/attacks.ts';
import { type BenchCertificate, tunnelBench } from './testing/tunnel-bench.ts';
import type { PoolKey, TunnelRequest } from './tunnel.ts';

const ca = testCa();
let client: BenchCertificate;
let server: BenchCertificate;
before(async () => {
  client = await ca.issue(ca.identity('a', 'client'));
  server = await ca.issue(ca.identity('b', 'server'));
});

function rapidResetAttack(): Attack {
  const attack = attacks.find(({ name }) => name === 'rapid reset');
  assert.ok(attack !== undefined);
  return attack;
}

/** What the process may grow by while an attacker sends. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024;
const DEADLINE_MS = 60_000;

function echo(request: TunnelRequest<string>): void {
  if (request.authority !== 'echo:1') return;
  const endpoint = request.accept();
  const pump = (): void => {
    for (;;) {
      const region = endpoint.read();
      if (region === AGAIN) return;
      if (region === EOF) return endpoint.shutdownWrite();
      endpoint.write([region]);
    }
  };
  endpoint.onReadable = pump;
  pump();
}

async function echoes(neighbour: Endpoint, text: string): Promise<void> {
  send(neighbour, text);
  assert.equal((await readSome(neighbour, text.length)).toString(), text);
}

const portOf = (key: PoolKey): number => Number(key.destination.slice(key.destination.lastIndexOf(':') + 1));

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

for (const engine of Object.values(BYTE_ENGINES)) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  suite(`a hostile peer, engine ${engine.name}`, { timeout: 300_000 }, () => {
    for (const attack of attacks) {
      test(`${attack.name}: ${attack.outcome === 'ends' ? 'cut off' : 'bounded'}, and a neighbour goes on`, async () => {
        const bench = await tunnelBench({ client, server, serverEngine: engine, clientEngine: engine, onTunnel: echo });
        try {
          const neighbour = await bench.pool.open(bench.key, { authority: 'echo:1' });
          await echoes(neighbour, 'before');
          const [full, small, start] = [fullBlocks.lent, smallBlocks.lent, memory()];
          const socket = await connectAttacker(portOf(bench.key), client);
          const outcome = runAttack(attack, socket);
          await echoes(neighbour, 'during');
          await outcome;
          const grown = memory() - start;
          assert.ok(grown < MAX_GROWTH_BYTES, `${Math.round(grown / 1024)} KB more`);
          await echoes(neighbour, 'after');
          socket.destroy();
          await settled(() => bench.server.connections === 1 && fullBlocks.lent <= full && smallBlocks.lent <= small);
          await echoes(neighbour, 'long after');
          assert.ok(bench.limited.length <= 1, 'one connection met a limit more than once');
          assert.equal(bench.dials(), 1);
        } finally {
          await bench.close();
        }
      });
    }
  });
}

for (const engine of [BYTE_ENGINES.framed, BYTE_ENGINES.libssl]) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  test(`engine ${engine.name}: nobody is asked about streams that are opened and reset in one breath`, async () => {
    let asked = 0;
    const onTunnel = (): void => void (asked += 1);
    const bench = await tunnelBench({ client, server, serverEngine: engine, clientEngine: engine, onTunnel });
    try {
      const socket = await connectAttacker(portOf(bench.key), client);
      await runAttack(rapidResetAttack(), socket);
      socket.destroy();
      assert.deepEqual(bench.limited, ['resets']);
      assert.ok(asked < 500, `asked ${asked} times`);
    } finally {
      await bench.close();
    }
  });
}

for (const engine of Object.values(BYTE_ENGINES)) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  test(`engine ${engine.name}: who was cut off and comes again gets no second allowance, others keep theirs`, async () => {
    const bench = await tunnelBench({ client, server, serverEngine: engine, clientEngine: engine, onTunnel: echo });
    try {
      const sent: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        const socket = await connectAttacker(portOf(bench.key), client);
        sent.push((await runAttack({ ...rapidResetAttack(), portion: (index) => rapidReset(index, 10) }, socket)).sent);
        socket.destroy();
        await settled(() => bench.server.connections === 0);
      }
      const [first = 0, second = 0, third = 0] = sent;
      assert.ok(second < first / 2 && third < first / 2, `bytes: ${sent.join(', ')}`);
      const other = await connectAttacker(portOf(bench.key), server);
      const { sent: others } = await runAttack(
        { ...rapidResetAttack(), portion: (index) => rapidReset(index, 10) },
        other,
      );
      assert.ok(others > first / 2, `bytes: ${sent.join(', ')}; somebody else: ${others}`);
      other.destroy();
    } finally {
      await bench.close();
    }
  });
}

for (const engine of Object.values(BYTE_ENGINES)) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  test(`engine ${engine.name}: who breaks rules again and again waits for its next handshakes, and nobody else does`, async () => {
    const serverLimits = { offenderHandshakeBurst: 1, offenderHandshakesPerSecond: 1 };
    const bench = await tunnelBench({
      client,
      server,
      serverEngine: engine,
      clientEngine: engine,
      onTunnel: echo,
      serverLimits,
    });
    try {
      const startMs: number[] = [];
      for (let round = 0; round < 4; round += 1) {
        const before = performance.now();
        const socket = await connectAttacker(portOf(bench.key), client);
        startMs.push(performance.now() - before);
        await runAttack(rapidResetAttack(), socket);
        socket.destroy();
      }
      // The first two owe nothing yet, the others wait a second each, less what the attacks before took.
      const [first = 0, second = 0, ...later] = startMs;
      assert.ok(
        Math.max(...later) > 200 && Math.max(first, second) < Math.max(...later),
        `handshakes took ${startMs.join(', ')} ms`,
      );
      const before = performance.now();
      const neighbour = await bench.pool.open(bench.key, { authority: 'echo:1' });
      await echoes(neighbour, 'at once');
      assert.ok(performance.now() - before < Math.max(...startMs));
    } finally {
      await bench.close();
    }
  });
}

async function settled(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'a connection or a block of the attacker is still held');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
