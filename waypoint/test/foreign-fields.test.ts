// Fields that one HTTP version allows and the other does not, through a real data plane, in heads and trailers, both ways. Core
// http2 throws at some of them: the exchange may fail, nobody else may notice (spec/waypoint.md 5.1; performance-and-reliability.md 4.3).
import assert from 'node:assert/strict';
import { connect as http2Connect, performServerHandshake } from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';
import { RawClient } from './envoy-http/client.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const limitMs = 20_000;
/** The other side of the proxy must not be the one that refuses. */
const lenient = { strictSingleValueFields: false };

/** Field lines, and the name and value that must arrive when they are trailers. */
const rows: readonly (readonly [name: string, lines: string, arrives: readonly [string, string]])[] = [
  ['names of every object', 'constructor: a\r\ntoString: b\r\nvalueOf: c\r\n', ['constructor', 'a']],
  ['__proto__', '__proto__: a\r\nx-b: c\r\n', ['x-b', 'c']],
  ['names that are numbers', '1: a\r\n0: b\r\nx-b: c\r\n', ['x-b', 'c']],
  ['fields of connections', 'Keep-Alive: 1\r\nProxy-Connection: b\r\nx-b: c\r\n', ['x-b', 'c']],
  ['a list of one name', 'x-b: a\r\nX-B: c\r\n', ['x-b', 'a, c']],
  ['one of a kind, twice', 'ETag: a\r\nETag: b\r\nAge: 1\r\nAge: 2\r\nx-b: c\r\n', ['x-b', 'c']],
  ['an empty value', 'x-a:\r\nx-b: c\r\n', ['x-b', 'c']],
  ['bytes above ASCII', 'x-a: \xe9\xff\r\nx-b: c\r\n', ['x-b', 'c']],
];

describe('fields of one version in the other', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => mesh.close());

  const setProtocol = (protocol: number): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: { hostname: HOSTNAME, namespace: 'apps', ports: [{ port: 80, protocol, backend: backendKey }] },
      },
      backends: {
        [backendKey]: { hostname: HOSTNAME, port: 80, protocol, serviceNamespace: 'apps', serviceName: 'reviews' },
      },
    });

  const othersAreServed = async (): Promise<void> => {
    setProtocol(1);
    mesh.addWorkload(3, { handler: (_request, response) => response.end('ok') });
    mesh.publish({ workloads: [mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') })] });
    assert.equal((await mesh.get('/')).status, 200, 'other clients are served');
  };

  /** A workload that speaks HTTP/2, answers when the request is complete, and tells its trailers. */
  const serveHttp2 = (onTrailers: (trailers: Record<string, unknown>) => void) => (socket: Duplex) => {
    const session = performServerHandshake(socket, lenient);
    session.on('error', () => undefined);
    session.on('stream', (stream) => {
      stream.on('error', () => undefined);
      stream.on('trailers', onTrailers);
      stream.resume().on('end', () => {
        if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': 200 }, { endStream: true });
      });
    });
  };

  for (const [name, lines, arrives] of rows) {
    test(`HTTP/1.1 to HTTP/2, trailers: ${name}`, { timeout: 60_000 }, async () => {
      setProtocol(2);
      const seen: Record<string, unknown>[] = [];
      mesh.addWorkload(2, { raw: serveHttp2((trailers) => seen.push({ ...trailers })) });
      const client = new RawClient(await mesh.tunnel());
      const head = 'POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n';
      await client.send([`${head}1\r\nx\r\n0\r\n${lines}\r\n`]);
      assert.ok(await client.until(() => client.received.includes('\r\n\r\n'), limitMs), 'an answer comes');
      assert.match(client.received, /^HTTP\/1\.1 200 /);
      assert.deepEqual([seen.length, seen[0]?.[arrives[0]]], [1, arrives[1]]);
      client.leave();
      await othersAreServed();
    });

    test(`HTTP/1.1 to HTTP/2, head: ${name}`, { timeout: 60_000 }, async () => {
      setProtocol(2);
      mesh.addWorkload(2, { raw: serveHttp2(() => undefined) });
      const client = new RawClient(await mesh.tunnel());
      await client.send([`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`]);
      assert.ok(await client.until(() => client.received.includes('\r\n\r\n'), limitMs), 'an answer comes');
      assert.match(client.received, /^HTTP\/1\.1 200 /);
      client.leave();
      await othersAreServed();
    });

    test(`HTTP/2 from HTTP/1.1, head and trailers: ${name}`, { timeout: 60_000 }, async () => {
      const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${lines}\r\n`;
      mesh.addWorkload(2, {
        raw: (socket) => {
          socket.on('error', () => undefined);
          socket.on('data', () => socket.write(Buffer.from(`${head}1\r\nx\r\n0\r\n${lines}\r\n`, 'latin1')));
        },
      });
      const inner = tunnelSocket(await mesh.tunnel());
      const session = http2Connect('http://reviews', { createConnection: () => inner, ...lenient });
      session.on('error', () => undefined);
      const stream = session.request({ ':path': '/', te: 'trailers' });
      const trailers: Record<string, unknown> = {};
      stream.on('error', () => undefined);
      stream.on('trailers', (given) => Object.assign(trailers, given));
      stream.resume();
      await new Promise((resolve) => stream.on('close', resolve));
      assert.equal(trailers[arrives[0]], arrives[1]);
      session.destroy();
      await othersAreServed();
    });
  }
});
