// The pool's bookkeeping alone: sessions are doubles, time is the test's. With real sockets: tunnel.test.ts, open-watched.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecureEndpoint } from '@ambit/net';
import { memoryPair } from '@ambit/net/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock, type FakeClock } from '@ambit/runtime/testing';
import { BYTE_ENGINES } from './byte-engine.ts';
import { createHbonePool, type HbonePool } from './pool.ts';
import type { ClientSession, ClientSessionOptions } from './session.ts';
import type { HboneLimits, PoolKey, TunnelStream } from './tunnel.ts';

/** A session whose streams the test ends. */
interface Double {
  readonly session: ClientSession<string>;
  /** Ends one stream. */
  endStream(): void;
  /** The connection is gone. */
  lose(): void;
}

function double(options: ClientSessionOptions): Double {
  const state = { activeStreams: 0, state: 'ready' as ClientSession<string>['state'] };
  const become = (next: ClientSession<string>['state']): void => {
    state.state = next;
    options.onChange(session);
  };
  const settle = (): void => {
    if (state.state === 'draining' && state.activeStreams === 0) become('closed');
    else options.onChange(session);
  };
  const session: ClientSession<string> = {
    peer: 'server',
    peerName: options.peerName,
    get state() {
      return state.state;
    },
    get activeStreams() {
      return state.activeStreams;
    },
    tryReserve() {
      if (state.state !== 'ready' || state.activeStreams >= options.limits.maxStreamsPerConnection) return false;
      state.activeStreams += 1;
      options.onChange(session);
      return true;
    },
    open: async () => ({ ...memoryPair()[0], responseHeaders: {}, peer: 'server' }) as TunnelStream<string>,
    close() {
      if (state.state !== 'ready') return;
      state.state = 'draining';
      settle();
    },
    destroy: () => become('closed'),
  };
  return {
    session,
    endStream() {
      state.activeStreams -= 1;
      settle();
    },
    lose: () => become('closed'),
  };
}

function bench(limits: Partial<HboneLimits> = {}): {
  readonly pool: HbonePool<string>;
  readonly sessions: Double[];
  readonly clock: FakeClock;
  readonly open: (destination?: string) => Promise<TunnelStream<string>>;
} {
  const sessions: Double[] = [];
  const clock = createFakeClock();
  const pool = createHbonePool<string>({
    log: silentLogger,
    limits,
    clock,
    engine: {
      ...BYTE_ENGINES.http2,
      sessions: {
        client: <Peer>(_endpoint: SecureEndpoint<Peer>, options: ClientSessionOptions) => {
          const made = double(options);
          sessions.push(made);
          return made.session as unknown as ClientSession<Peer>;
        },
        server: () => assert.fail('no server here'),
      },
    },
    dial: async () => ({ ...memoryPair()[0], peer: 'server', alpn: 'h2' }) as unknown as SecureEndpoint<string>,
  });
  const keyOf = (destination: string): PoolKey => ({ source: 'client', destination, expected: ['server'] });
  return {
    pool,
    sessions,
    clock,
    open: async (destination = '10.0.0.1:15008') => pool.open(keyOf(destination), { authority: '10.0.0.1:80' }),
  };
}

test('n requests at once take as many connections as their limit of streams asks for, each key its own', async () => {
  for (const [limit, requests, keys, expected] of [
    [101, 100, 1, 1],
    [1, 7, 1, 7],
    [3, 10, 1, 4],
    [100, 300, 3, 3],
    [100, 100, 100, 100],
  ] as const) {
    const { sessions, open } = bench({ maxStreamsPerConnection: limit });
    await Promise.all(Array.from({ length: requests }, async (_, index) => open(`10.0.0.${index % keys}:15008`)));
    assert.equal(sessions.length, expected, `${requests} requests, ${keys} keys, ${limit} streams each`);
  }
});

test('a connection without streams is closed after its time, and one that was used again meanwhile is not', async () => {
  const { pool, sessions, clock, open } = bench({ unusedReleaseMs: 1000 });
  await open();
  sessions[0]?.endStream();
  assert.equal(pool.stats().idle, 1);
  await clock.advance(999);
  await open();
  await clock.advance(1000);
  assert.equal(sessions[0]?.session.state, 'ready');
  sessions[0]?.endStream();
  await clock.advance(1000);
  assert.equal(sessions[0]?.session.state, 'closed');
  assert.deepEqual(pool.stats(), { connections: 0, idle: 0, streams: 0, dialing: 0 });
});

test('of too many connections without streams the one that is idle for the longest time goes', async () => {
  const { sessions, open } = bench({ maxIdleConnections: 2 });
  for (const number of [1, 2, 3]) await open(`10.0.0.${number}:15008`);
  for (const index of [1, 0, 2]) sessions[index]?.endStream();
  assert.deepEqual(
    sessions.map(({ session }) => session.state),
    ['ready', 'closed', 'ready'],
  );
});

test('a connection at its limit is not used again, and room that comes back is', async () => {
  const { sessions, open } = bench({ maxStreamsPerConnection: 1 });
  await open();
  await open();
  assert.equal(sessions.length, 2);
  sessions[0]?.endStream();
  await open();
  assert.equal(sessions.length, 2);
});

test('a closed pool opens nothing, lets live streams end, and is closed with the last connection', async () => {
  const { pool, sessions, open } = bench();
  await open();
  pool.close();
  await assert.rejects(open(), { code: 'ERR_HBONE_CLOSED' });
  let isClosed = false;
  void pool.closed.then(() => (isClosed = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, false);
  sessions[0]?.endStream();
  await pool.closed;
});

test('a connection that is lost is not used again', async () => {
  const { sessions, open } = bench();
  await open();
  sessions[0]?.lose();
  await open();
  assert.equal(sessions.length, 2);
});
