// How much a client may say, and how long it may be quiet, in both HTTP versions, through a real data plane (spec/waypoint.md 4.6.2, 4.6.4, 5.8).
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect as http2Connect, type OutgoingHttpHeaders } from 'node:http2';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HttpDefaultsSchema } from '@ambit/proto/waypoint';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';
import { startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { RawClient } from './envoy-http/client.ts';

const limitMs = 10_000;
const ms = (count: number) => ({ seconds: 0n, nanos: count * 1_000_000 });
const fields = (count: number): OutgoingHttpHeaders =>
  Object.fromEntries(Array.from({ length: count }, (_one, index) => [`x-${index}`, 'v']));

describe('limits of clients', () => {
  let mesh: TestMesh;
  const sessions: ClientHttp2Session[] = [];
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
    mesh.close();
  });

  const configure = (http: MessageInitShape<typeof HttpDefaultsSchema>): void =>
    mesh.configure({ proxy: { trustDomain: 'cluster.local', http } });
  const openSession = async (): Promise<ClientHttp2Session> => {
    const socket = tunnelSocket(await mesh.tunnel());
    const maxSendHeaderBlockLength = 1024 * 1024;
    const session = http2Connect('http://reviews', { createConnection: () => socket, maxSendHeaderBlockLength });
    session.on('error', () => undefined);
    sessions.push(session);
    return session;
  };
  const ask = async (session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<number> =>
    new Promise((resolve) => {
      let status = 0;
      const stream = session.request({ ':path': '/', ...headers });
      stream.on('response', ({ ':status': given }) => (status = given ?? 0));
      stream.on('error', () => undefined);
      stream.on('close', () => resolve(status));
      stream.resume();
    });
  const closed = async (session: ClientHttp2Session): Promise<void> =>
    session.destroyed ? undefined : new Promise((resolve) => session.once('close', () => resolve()));
  const timeouts = async (): Promise<string[]> =>
    (await mesh.metrics()).split('\n').filter((line) => line.startsWith('ambit_waypoint_client_timeouts_total{'));

  describe('an HTTP/2 head that is too large is answered 431, and its connection serves on:', () => {
    const rows: readonly [what: string, headers: OutgoingHttpHeaders, details: string | undefined][] = [
      ['as many fields as may be', fields(98), undefined],
      ['a field more', fields(101), 'http2.too_many_headers'],
      ['a cookie in crumbs', { cookie: Array.from({ length: 300 }, (_one, index) => `c${index}=1`) }, undefined],
      ['as much text as may be', { x: 'v'.repeat(60_000) }, undefined],
      ['more text', { x: 'v'.repeat(70_000) }, 'http2.headers_too_large'],
      ['much more text', { x: 'v'.repeat(200_000) }, 'http2.headers_too_large'],
    ];
    for (const [what, headers, details] of rows) {
      test(what, async () => {
        mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
        const session = await openSession();
        assert.equal(await ask(session, {}), 200);
        // What the workload's own server takes is its business.
        const status = await ask(session, headers);
        const line = mesh.accessLines[1] ?? '';
        if (details === undefined) assert.equal(line.includes(' DPE '), false, line);
        else {
          assert.equal(status, 431);
          assert.ok(line.includes(`"- - HTTP/2" 431 DPE ${details} `), line);
          const counted = (await mesh.metrics()).split('\n').filter((line) => line.startsWith('istio_requests_total{'));
          assert.ok(
            counted.some((line) => line.includes('response_code="431"') && line.endsWith(' 1')),
            counted.join('\n'),
          );
        }
        assert.equal(await ask(session, {}), 200);
      });
    }
  });

  test('an HTTP/2 head far beyond the limit ends its connection', async () => {
    const session = await openSession();
    assert.equal(await ask(session, { x: 'v'.repeat(400_000) }), 0);
    await closed(session);
  });

  test('the limits of the mesh hold for both versions', async () => {
    mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
    configure({ maxHeaders: 20, maxHeaderBytes: 2000 });
    const session = await openSession();
    const statuses = async (headers: Record<string, string>): Promise<number[]> => [
      await ask(session, headers),
      (await mesh.get('/', { headers })).status,
    ];
    const some = (count: number) => fields(count) as Record<string, string>;
    assert.deepEqual(await statuses(some(10)), [200, 200]);
    assert.deepEqual(await statuses(some(30)), [431, 431]);
    assert.deepEqual(await statuses({ x: 'v'.repeat(7000) }), [431, 431]);
    assert.equal((await ask(await openSession(), fields(101))) === 431, true);
    configure({ maxHeaders: 200 });
    assert.equal(await ask(await openSession(), fields(110)), 200);
  });

  test('a connection without a request is closed after the idle time, one with a request is not', async () => {
    let answer: (() => void) | undefined;
    mesh.addWorkload(2, { handler: (_request, response) => void (answer = () => response.end('ok')) });
    configure({ idle: ms(700) });
    const [idle, busy] = [await openSession(), await openSession()];
    const goaway = new Promise((resolve) => idle.once('goaway', resolve));
    const inWork = ask(busy, {});
    assert.equal(await goaway, 0);
    await closed(idle);
    await pause(900);
    assert.equal(busy.closed, false);
    answer?.();
    assert.equal(await inWork, 200);
    await closed(busy);
    assert.deepEqual(await timeouts(), ['ambit_waypoint_client_timeouts_total{protocol="http2",reason="idle"} 2']);
  });

  test('an idle connection of HTTP/1.1 is counted too', async () => {
    mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
    configure({ idle: ms(100) });
    const client = new RawClient(await mesh.tunnel());
    await client.send(['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
    assert.ok(await client.until(() => client.after !== 'open', limitMs));
    assert.match(client.received, /^HTTP\/1\.1 200 /);
    assert.deepEqual(await timeouts(), ['ambit_waypoint_client_timeouts_total{protocol="http",reason="idle"} 1']);
  });

  test('heads that do not come to their end are not waited for', async () => {
    configure({ requestHeaders: ms(200) });
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
    const begun = '\0\0\x01\x01\x01\0\0\0\x01\x82'; // HEADERS without END_HEADERS
    const cut = '\0\0\x40\x01\x05\0\0\0\x01\x82'; // HEADERS of 64 bytes, of which one is here
    for (const head of [begun, cut, undefined]) {
      const client = new RawClient(await mesh.tunnel());
      await client.send([head === undefined ? 'GET / HTTP/1.1\r\nHost: a\r\n' : preface + head]);
      assert.ok(await client.until(() => client.after !== 'open', limitMs), head ?? '');
    }
    assert.deepEqual((await timeouts()).toSorted(), [
      'ambit_waypoint_client_timeouts_total{protocol="http",reason="head"} 1',
      'ambit_waypoint_client_timeouts_total{protocol="http2",reason="head"} 2',
    ]);
  });
});
