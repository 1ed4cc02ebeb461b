// Clients that mean no good, through a real data plane: what they do costs them their connection and nobody else anything
// (spec/performance-and-reliability.md 4.3, 4.4 rows 11 to 13; spec/waypoint.md 4.6.2).
import assert from 'node:assert/strict';
import { connect as http2Connect } from 'node:http2';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Endpoint, hostDomain, Region } from '@ambit/net';
import { silentLogger } from '@ambit/runtime/log';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';
import { createDataPlane } from '../src/threads/data-plane.ts';
import { createSharedMemory } from '../src/threads/shared-memory.ts';
import { RawClient } from './envoy-http/client.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const limitMs = 10_000;

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** The collector, without a flag of the command line. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();
/** A frame of HTTP/2. */
const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const settings = frame(4, 0, 0, Buffer.alloc(0));

describe('bad input', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh();
    mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
  });
  afterEach(() => mesh.close());

  const setProtocol = (protocol: number): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: { hostname: HOSTNAME, namespace: 'apps', ports: [{ port: 80, protocol, backend: backendKey }] },
      },
    });
  const othersAreServed = async (): Promise<void> => {
    assert.equal((await mesh.get('/')).status, 200, 'other clients are served');
  };
  const send = (endpoint: Endpoint, bytes: Buffer | string): void => {
    endpoint.write([Region.of(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)]);
  };

  test('a head that does not come to its end is answered 408', async () => {
    const http = { requestHeaders: { seconds: 0n, nanos: 150_000_000 }, proxy100Continue: true };
    mesh.configure({ proxy: { trustDomain: 'cluster.local', http } });
    const client = new RawClient(await mesh.tunnel());
    await client.send(['GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ']);
    assert.ok(await client.until(() => client.after !== 'open', limitMs));
    assert.match(client.received, /^HTTP\/1\.1 408 /);
    assert.match(mesh.accessLines[0] ?? '', / 408 - request_header_timeout /);
    await othersAreServed();
  });

  test('a body that does not come to its end is answered 408 where the mesh limits that', async () => {
    const http = { request: { seconds: 0n, nanos: 150_000_000 }, proxy100Continue: true };
    mesh.configure({ proxy: { trustDomain: 'cluster.local', http } });
    mesh.addWorkload(2, { handler: (request, response) => void request.resume().on('end', () => response.end('ok')) });
    const client = new RawClient(await mesh.tunnel());
    await client.send(['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc']);
    assert.ok(await client.until(() => client.after !== 'open', limitMs));
    assert.match(client.received, /^HTTP\/1\.1 408 /);
    assert.match(mesh.accessLines[0] ?? '', / 408 - request_overall_timeout /);
  });

  test('a body over the limit of its frontend is answered 413, and the workload sees nothing of it', async () => {
    let reached = 0;
    mesh.addWorkload(2, {
      handler: (request, response) => void request.resume().on('end', () => response.end(`${++reached}`)),
    });
    mesh.configure({
      policies: { limit: { body: { case: 'buffer', value: { maxRequestBytes: 1000 } } } },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey }],
          policies: [{ policy: 'limit' }],
        },
      },
    });
    const client = new RawClient(await mesh.tunnel());
    await client.send([`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n${'x'.repeat(1001)}`]);
    assert.ok(await client.until(() => client.received.endsWith('Payload Too Large'), limitMs), client.received);
    assert.match(client.received, /^HTTP\/1\.1 413 /);
    assert.ok(await client.until(() => mesh.accessLines.length > 0, limitMs));
    assert.match(mesh.accessLines[0] ?? '', / 413 - request_payload_too_large /);
    assert.equal(reached, 0);
    await othersAreServed();
  });

  test('requests sent ahead wait in their own connection, and are answered in order', async () => {
    let active = 0;
    let most = 0;
    mesh.addWorkload(2, {
      handler: (request, response) => {
        active += 1;
        most = Math.max(most, active);
        setImmediate(() => {
          active -= 1;
          response.end(request.url);
        });
      },
    });
    const client = new RawClient(await mesh.tunnel());
    const count = 200;
    const paths = Array.from({ length: count }, (_one, index) => `/${index};`);
    await client.send([paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')]);
    assert.ok(await client.until(() => client.received.includes(paths.at(-1) ?? ''), limitMs));
    const bodies = client.received
      .split('\r\n\r\n')
      .slice(1)
      .map((piece) => piece.split('HTTP/1.1')[0]);
    assert.deepEqual(bodies, paths);
    assert.equal(most, 1, 'one client of HTTP/1.1 has one request in work');
    client.leave();
  });

  test('a client that does not read its answers is not answered further', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    mesh.addWorkload(2, {
      handler: (_request, response) => {
        const more = (): void => {
          let isWanted = true;
          while (isWanted && written < 256 * 1024 * 1024) {
            isWanted = response.write(chunk);
            written += chunk.length;
          }
        };
        response.on('drain', more);
        response.on('error', () => undefined);
        more();
      },
    });
    const stalled = await mesh.tunnel();
    send(stalled, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    let before = -1;
    for (let turn = 0; turn < 40 && (before !== written || written === 0); turn++) {
      before = written;
      await pause(200);
    }
    assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken for a client that reads nothing`);
    stalled.destroy(new Error('test ends'));
  });

  test('streams that are reset as soon as they are opened end their session', { timeout: 60_000 }, async () => {
    setProtocol(2);
    let isOver = false; // until then no answer can come before its reset is read
    mesh.addWorkload(2, { handler: (request, response) => void (isOver ? response.end('ok') : request.resume()) });
    const attacker = tunnelSocket(await mesh.tunnel());
    const session = http2Connect('http://a', { createConnection: () => attacker });
    session.on('error', () => undefined);
    for (let round = 0; round < 30 && !session.destroyed; round++) {
      for (let index = 0; index < 50 && !session.destroyed && !session.closed; index++) {
        const stream = session.request({ ':path': '/' });
        stream.on('error', () => undefined);
        stream.close(8);
      }
      await pause(1);
    }
    while (!session.destroyed && !session.closed) await pause(5);
    isOver = true;
    setProtocol(1);
    await othersAreServed();
    session.destroy();
  });

  test('streams that a client makes the server reset end their session too', { timeout: 60_000 }, async () => {
    // CVE-2025-8671: not the client resets, it only breaks a rule on each stream, after which the request is still in work.
    setProtocol(2);
    let isOver = false; // connections that were dialled for a request that is gone are kept for the next
    mesh.addWorkload(2, { handler: (request, response) => void (isOver ? response.end('ok') : request.resume()) });
    const client = new RawClient(await mesh.tunnel());
    await client.send([preface + settings.toString('latin1')]);
    for (let stream = 1; stream < 4000 && client.after === 'open'; stream += 2) {
      const request = frame(1, 5, stream, Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61]));
      const breach = frame(8, 0, stream, Buffer.alloc(4)); // a window update of zero
      await client.send([Buffer.concat([request, breach]).toString('latin1')]);
      if (stream % 100 === 1) await pause(1);
    }
    assert.ok(await client.until(() => client.after !== 'open', limitMs), 'the session ends');
    isOver = true;
    setProtocol(1);
    await othersAreServed();
  });

  test('a client that gives up some of many streams is served on', { timeout: 60_000 }, async () => {
    setProtocol(2);
    const socket = tunnelSocket(await mesh.tunnel());
    const session = http2Connect('http://a', { createConnection: () => socket });
    session.on('error', () => undefined);
    const ask = async (givesUp: boolean): Promise<number> =>
      new Promise((resolve) => {
        const stream = session.request({ ':path': '/' });
        let status = 0;
        stream.on('response', ({ ':status': given }) => (status = given ?? 0));
        stream.on('error', () => undefined);
        stream.on('close', () => resolve(status));
        if (givesUp) stream.close(8);
        else stream.resume();
      });
    let answers = 0;
    for (let round = 0; round < 40; round++) {
      const statuses = await Promise.all(Array.from({ length: 20 }, async (_one, index) => ask(index % 3 === 0)));
      answers += statuses.filter((status) => status === 200).length;
    }
    assert.equal(session.destroyed, false);
    assert.ok(answers >= 40 * 13, `${answers} answers`);
    session.destroy();
  });

  test('what one connection sends is held at most ten times over', { timeout: 60_000 }, async () => {
    // As much of everything as is allowed, in many small pieces, never completed: the cheapest way to make a proxy hold bytes.
    const fields = Array.from({ length: 95 }, (_one, index) => `x-${index}: ${'v'.repeat(600)}\r\n`).join('');
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${fields}`;
    const clients: RawClient[] = [];
    const held = (): number => {
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const collect = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        collectGarbage();
        await pause(1);
      }
    };
    const open = async (): Promise<RawClient> => new RawClient(await mesh.tunnel());
    clients.push(await open());
    await clients[0]?.send([head]);
    await collect();
    const before = held();
    const connections = 60;
    let sent = 0;
    for (let index = 0; index < connections; index++) {
      const client = await open();
      clients.push(client);
      for (let at = 0; at < head.length; at += 4000) {
        await client.send([head.slice(at, at + 4000)]);
        await pause(0);
      }
      sent += head.length;
    }
    await othersAreServed();
    await collect();
    const factor = (held() - before) / sent;
    assert.ok(factor <= 10, `${factor.toFixed(1)} bytes are held for each byte sent`);
    for (const client of clients) client.leave();
  });

  const h2Rows: readonly (readonly [string, Buffer])[] = [
    [
      'CONTINUATION without end',
      Buffer.concat([
        frame(1, 0, 1, Buffer.from([0x82])),
        ...Array.from({ length: 2000 }, () => frame(9, 0, 1, Buffer.alloc(100, 0x82))),
      ]),
    ],
    ['a header block that is no HPACK', frame(1, 4, 1, Buffer.alloc(64, 0xff))],
    ['CONTINUATION of nothing', frame(9, 4, 1, Buffer.from([0x82]))],
    [
      'a window of more than 2^31-1',
      Buffer.concat([
        frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
        frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
      ]),
    ],
    ['a window update of zero', frame(8, 0, 0, Buffer.alloc(4))],
    ['a frame longer than allowed', frame(0, 0, 1, Buffer.alloc(1024 * 1024))],
    ['DATA on a stream that was never opened', frame(0, 1, 3, Buffer.from('x'))],
    ['HEADERS on an even stream', frame(1, 5, 2, Buffer.from([0x82]))],
    ['SETTINGS on a stream', frame(4, 0, 1, Buffer.alloc(0))],
    ['a PUSH_PROMISE of a client', frame(5, 4, 1, Buffer.alloc(4))],
    [
      'a header list of a megabyte',
      Buffer.concat([
        frame(1, 0, 1, Buffer.from([0x82])),
        ...Array.from({ length: 64 }, () => frame(9, 0, 1, literalField(16_000))),
      ]),
    ],
  ];
  for (const [name, bytes] of h2Rows) {
    test(`HTTP/2: ${name} ends the connection`, { timeout: 30_000 }, async () => {
      setProtocol(2);
      const client = new RawClient(await mesh.tunnel());
      await client.send([preface + settings.toString('latin1') + bytes.toString('latin1')]);
      assert.ok(await client.until(() => client.after !== 'open', limitMs), 'the connection stays open');
      setProtocol(1);
      await othersAreServed();
    });
  }

  test('HTTP/2: a connection that breaks off at any byte of a request harms nobody', { timeout: 60_000 }, async () => {
    setProtocol(2);
    const request = Buffer.concat([
      Buffer.from(preface),
      settings,
      frame(1, 5, 1, Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61])),
    ]);
    for (let length = 1; length < request.length; length += 3) {
      const endpoint = await mesh.tunnel();
      send(endpoint, request.subarray(0, length));
      await new Promise((resolve) => setImmediate(resolve));
      endpoint.destroy(new Error('breaks off'));
    }
    setProtocol(1);
    await othersAreServed();
  });
});

test('clients that come before there is a certificate cost their connection, not the process', async () => {
  // The callback of the handshake throws (CVE-2026-21637 and its kin).
  const plane = createDataPlane({
    settings: {
      domain: hostDomain,
      hbonePort: 0,
      upstreamHbonePort: 0,
      ownIp: '127.0.0.1',
      logLevel: 'off',
      logFormat: 'plain',
      accessLog: 'off',
      idleMs: undefined,
      sessionKey: new Uint8Array(32),
      reusePort: false,
      shared: createSharedMemory(),
      byteEngine: 'http2',
    },
    log: silentLogger as never,
    post: () => undefined,
    accessLine: () => undefined,
  });
  try {
    const port = await plane.listen();
    for (const servername of ['', 'a.example.com']) {
      const client = tlsConnect({ host: '127.0.0.1', port, ...(servername === '' ? {} : { servername }) });
      client.on('error', () => undefined);
      await new Promise((resolve) => client.once('close', resolve));
    }
  } finally {
    plane.destroy();
  }
});

/** A literal field without indexing, value of `length` bytes (RFC 7541 6.2.2). */
function literalField(length: number): Buffer {
  const rest: number[] = [];
  for (let left = length - 127; ; left = left >> 7) {
    rest.push(left >= 128 ? (left & 127) | 128 : left);
    if (left < 128) break;
  }
  return Buffer.concat([Buffer.from([0x00, 1, 0x78, 127, ...rest]), Buffer.alloc(length, 0x61)]);
}
