// What peers may send to a pod's tunnel port, and the one outcome of each (spec/node-proxy.md 3.2, 3.3, 6, 12; faults 11 to 18
// of performance-and-reliability.md 4.4). Real sockets, TLS and HTTP/2; after each table the pod still serves and holds nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectH2, type ClientHttp2Session, constants, type OutgoingHttpHeaders } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { after, before, suite, test } from 'node:test';
import { createCertificateAuthority, createSelfSignedRoot, issueLocally, type SignerMaterial } from '@ambit/identity';
import type { WorkloadCertificate } from '@ambit/identity/workload-certificate';
import { chooseByteEngine, type ByteEngineName } from '@ambit/hbone';
import { servePlaintext } from '../src/inbound/passthrough.ts';
import { serveOutbound } from '../src/outbound/listener.ts';
import { serveSocks5 } from '../src/outbound/socks5.ts';
import { startTestPod, type TestPod } from './pod-fixture.ts';

const ip = '127.75.0.1';
const state = `
workloads:
- uid: s
  name: server
  namespace: shop
  serviceAccount: server
  trustDomain: cluster.local
  workloadIps: ["${ip}"]
  protocol: HBONE
  services: { "shop/web.shop": { 80: 8080 }, "shop/named.shop": { 81: 0 } }
  authorizationPolicies: ["shop/not-denied"]
services:
- { name: web, namespace: shop, hostname: web.shop, vips: ["/10.96.0.1"], ports: { 80: 8080 } }
- { name: named, namespace: shop, hostname: named.shop, vips: ["/10.96.0.2"], ports: { 81: 0 } }
- { name: own, namespace: other, hostname: own.other, vips: ["/10.96.0.3"], ports: { 80: 8080 }, visibility: Namespace }
policies:
- { name: not-denied, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ principals: [!Exact cluster.local/ns/shop/sa/denied] }]], [[{ notPrincipals: [!Presence []] }], [{ destinationPorts: [9999] }]]] }
`;

const day = 24 * 3600 * 1000;
const spiffe = (account: string, trustDomain = 'cluster.local'): string =>
  `spiffe://${trustDomain}/ns/shop/sa/${account}`;
// Valid from long ago, so that a certificate of then can have expired.
const material: SignerMaterial = createSelfSignedRoot({ trustDomain: 'cluster.local', now: Date.now() - 60 * day });
const issue = async (name: string, from = material, now?: () => number): Promise<WorkloadCertificate> =>
  issueLocally(createCertificateAuthority({ material: from, ...(now === undefined ? {} : { now }) }), [name], day);

/** TLS options of a peer with a certificate. */
function tlsOf(certificate: WorkloadCertificate | undefined, more: ConnectionOptions = {}): ConnectionOptions {
  const own = certificate === undefined ? {} : { cert: certificate.certChainPem, key: certificate.privateKeyPem };
  return { ...own, ca: material.rootPem, checkServerIdentity: () => undefined, ALPNProtocols: ['h2'], ...more };
}

/** Opens an HTTP/2 connection as `account`. */
async function session(pod: TestPod, account: string): Promise<ClientHttp2Session> {
  const made = connectH2(`https://${pod.ip}:${pod.port}`, tlsOf(await issue(spiffe(account))));
  made.on('error', () => undefined);
  await once(made, 'connect');
  return made;
}

/** The status of one CONNECT, or how its stream was reset. */
async function outcomeOf(h2: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<string> {
  const stream = h2.request({ ':method': 'CONNECT', ...headers });
  const done = Promise.withResolvers<string>();
  stream.on('response', (answer) => done.resolve(String(answer[':status'])));
  stream.on('error', () => undefined);
  stream.on('close', () => done.resolve(`reset ${stream.rstCode ?? 0}`));
  const outcome = await done.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  return outcome;
}

/** A row: what it is, the headers, the outcome, and a part of the error that the log tells. */
type Row = readonly [
  name: string,
  headers: OutgoingHttpHeaders,
  outcome: string | Readonly<Record<'http2' | 'framed', string>>,
  error?: string,
];

/** Characters that core http2 itself refuses in an authority; our own framing leaves them to the parser. */
const illegal = { http2: `reset ${constants.NGHTTP2_PROTOCOL_ERROR}`, framed: '400' };

const at = (authority: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders => ({
  ':authority': authority,
  ...more,
});
const noAuthority = 'no valid authority pseudo header';
const mismatch = `ip mismatch: ${ip} != `;
const selfCall = 'attempted recursive call to ourselves';

const connectRows: readonly Row[] = [
  ['the own address and an open port', at(`${ip}:8080`), '200'],
  ['the own address as IPv4 in IPv6', at(`[::ffff:${ip}]:8080`), '200'],
  ['a service name', at('web.shop:80'), '200'],
  ['a service name in capitals', at('WEB.shop:80'), '200'],
  [
    'method GET',
    { ':method': 'GET', ':path': '/', ':scheme': 'https', ':authority': `${ip}:8080` },
    '400',
    'expected method CONNECT, got GET',
  ],
  [
    'method POST',
    { ':method': 'POST', ':path': '/', ':scheme': 'https', ':authority': `${ip}:8080` },
    '400',
    'expected method CONNECT, got POST',
  ],
  ['an empty authority', at(''), illegal, noAuthority],
  ['no port', at(ip), '400', noAuthority],
  ['a name without port', at('web.shop'), '400', noAuthority],
  ['only a port', at(':80'), '400', noAuthority],
  ['an empty port', at(`${ip}:`), '400', noAuthority],
  ['port 65536', at(`${ip}:65536`), '400', noAuthority],
  ['port -1', at(`${ip}:-1`), '400', noAuthority],
  ['port +80', at(`${ip}:+80`), '400', noAuthority],
  ['a port with a space', at(`${ip}: 80`), illegal, noAuthority],
  ['a port in words', at('web.shop:http'), '400', noAuthority],
  ['a hexadecimal port', at(`${ip}:0x50`), '400', noAuthority],
  ['IPv6 without brackets', at('::1:80'), '400', noAuthority],
  ['IPv6 with one bracket', at('[::1:80'), '400', noAuthority],
  ['IPv6 without a port', at('[::1]'), '400', noAuthority],
  ['IPv6 with a zone', at('[fe80::1%eth0]:80'), '400', noAuthority],
  ['a scheme', at('https://web.shop:80'), illegal, noAuthority],
  ['user information', at('user@web.shop:80'), illegal, noAuthority],
  ['a path', at('../../etc:80'), illegal, noAuthority],
  ['a space in the name', at('web shop:80'), illegal, noAuthority],
  ['percent signs', at('web%2eshop:80'), '400', noAuthority],
  ['300 characters and more', at(`${'a'.repeat(300)}:80`), '400', noAuthority],
  ['more than a kibibyte', at(`${'a'.repeat(2000)}:80`), '400'],
  ['another address', at('10.9.9.9:8080'), '400', `${mismatch}10.9.9.9`],
  ['loopback', at('127.0.0.1:8080'), '400', `${mismatch}127.0.0.1`],
  ['the unspecified address', at('0.0.0.0:8080'), '400', `${mismatch}0.0.0.0`],
  ['IPv6 loopback', at('[::1]:8080'), '400', `${mismatch}::1`],
  ['the address of a service', at('10.96.0.1:80'), '400', `${mismatch}10.96.0.1`],
  ['the metadata address of clouds', at('169.254.169.254:80'), '400', `${mismatch}169.254.169.254`],
  [
    'an address with leading zeros is a name',
    at('0127.75.0.1:8080'),
    '503',
    'no service or workload for hostname: 0127.75.0.1',
  ],
  ['a decimal address is a name', at('2130706433:8080'), '503', 'no service or workload for hostname: 2130706433'],
  ['the outbound port', at(`${ip}:15001`), '503', selfCall],
  ['the plaintext port', at(`${ip}:15006`), '503', selfCall],
  ['the tunnel port', at(`${ip}:15008`), '503', selfCall],
  ['the SOCKS5 port', at(`${ip}:15080`), '503', selfCall],
  ['a closed port', at(`${ip}:9`), '503', 'connection failed'],
  ['port 0', at(`${ip}:0`), '503', 'connection failed'],
  ['an unknown name', at('nobody.shop:80'), '503', 'no service or workload for hostname: nobody.shop'],
  [
    'a port that the service does not have',
    at('web.shop:81'),
    '503',
    'requested service web.shop:81 found, but cannot resolve port',
  ],
  [
    'a named port that this workload does not have',
    at('named.shop:81'),
    '503',
    'requested service named.shop:81 found, but cannot resolve port',
  ],
  [
    'a service that only its own namespace sees',
    at('own.other:80'),
    '503',
    'no service or workload for hostname: own.other',
  ],
  ['a forwarded header that is none', at(`${ip}:8080`, { forwarded: ';;;host="' }), '200'],
  ['a forwarded header of 5 KiB', at(`${ip}:8080`, { forwarded: `host=${'h'.repeat(5000)}` }), '200'],
  ['a traceparent of 55 dashes', at(`${ip}:8080`, { traceparent: '-'.repeat(55) }), '200'],
  ['a traceparent without dashes', at(`${ip}:8080`, { traceparent: '0'.repeat(55) }), '200'],
  ['baggage that is none', at(`${ip}:8080`, { baggage: ',,=,==,k8s.pod.name' }), '200'],
  ['baggage of 9 KiB', at(`${ip}:8080`, { baggage: 'a=b,'.repeat(2304) }), '200'],
  ['the name of another network', at(`${ip}:8080`, { 'x-forwarded-network': 'elsewhere' }), '200'],
  ['headers that nobody knows', at(`${ip}:8080`, { 'x-istio-source': 'waypoint', cookie: 'a=b' }), '200'],
  ['an end of stream with the request', at(`${ip}:8080`), '200'],
];

/** What a client sends first (RFC 9113 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK: literal fields without indexing and without Huffman code. */
function fields(...list: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    list.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ]),
    ),
  );
}

const good: readonly (readonly [string, string])[] = [
  [':method', 'CONNECT'],
  [':authority', `${ip}:8080`],
];
const rawRows: readonly (readonly [string, Buffer])[] = [
  ['a scheme', fields(...good, [':scheme', 'https'])],
  ['a path', fields(...good, [':path', '/'])],
  ['a protocol of its own', fields(...good, [':protocol', 'websocket'])],
  ['two authorities', fields(...good, [':authority', 'web.shop:80'])],
  ['no method', fields([':authority', `${ip}:8080`])],
  ['a pseudo header after others', fields([':method', 'CONNECT'], ['a', 'b'], [':authority', `${ip}:8080`])],
  ['an unknown pseudo header', fields(...good, [':other', 'x'])],
  ['a name in capitals', fields(...good, ['Baggage', 'x'])],
  ['a header of the connection', fields(...good, ['connection', 'close'])],
  ['a transfer encoding', fields(...good, ['transfer-encoding', 'chunked'])],
];

/** A TLS connection of an allowed peer on which the test speaks HTTP/2 by hand. */
async function rawPeer(pod: TestPod): Promise<TLSSocket> {
  const socket = connectTls({ host: pod.ip, port: pod.port, ...tlsOf(await issue(spiffe('client'))) });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** Type and error code of the first RST_STREAM or GOAWAY, or type and status of the first HEADERS; -1 when the connection ends. */
async function nextEnd(socket: TLSSocket): Promise<readonly [type: number, code: number]> {
  const done = Promise.withResolvers<readonly [number, number]>();
  let bytes: Buffer = Buffer.alloc(0);
  socket.on('close', () => done.resolve([-1, 0]));
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      const type = bytes[3] ?? 0;
      if (type === 3) done.resolve([type, bytes.readUInt32BE(9)]);
      if (type === 7) done.resolve([type, bytes.readUInt32BE(13)]);
      if (type === 1) done.resolve([type, 0]);
      bytes = bytes.subarray(end);
    }
  });
  return done.promise;
}

function registerTables(): void {
  for (const engine of ['http2', 'framed'] as const satisfies readonly ByteEngineName[]) {
    suite(`tunnel port, engine ${engine}`, { timeout: 60_000 }, () => {
      let pod: TestPod;
      let h2: ClientHttp2Session;
      before(async () => {
        chooseByteEngine(engine);
        pod = await startTestPod(ip, state, material);
        h2 = await session(pod, 'client');
      });
      after(async () => {
        h2.destroy();
        await pod[Symbol.asyncDispose]();
        chooseByteEngine('auto');
      });

      for (const [name, headers, expected, error] of connectRows) {
        const outcome = typeof expected === 'string' ? expected : expected[engine];
        test(`CONNECT with ${name}: ${outcome}`, async () => {
          const known = pod.records.length;
          assert.equal(await outcomeOf(h2, headers), outcome);
          if (error === undefined || outcome.startsWith('reset')) return;
          const line = pod.records.slice(known).find((record) => errorOf(record).includes(error));
          assert.ok(line !== undefined, JSON.stringify(pod.records.slice(known)));
          assert.equal(line['direction'], 'inbound');
        });
      }

      test('a denied identity: 401, and one record with both workloads, the policy and its rule', async () => {
        const denied = await session(pod, 'denied');
        assert.equal(await outcomeOf(denied, at(`${ip}:8080`)), '401');
        denied.destroy();
        const record = pod.records.findLast(({ message }) => message === 'deny policy match');
        assert.equal(record?.['policy'], 'shop/not-denied');
        assert.equal(record['rule'], 0);
        assert.equal(record['src.identity'], spiffe('denied'));
        assert.equal(record['dst.workload'], 'server');
        assert.equal(record['dst.identity'], spiffe('server'));
      });

      test('a header block over the limit: its stream or its connection ends, a new connection is served', async () => {
        const big = await session(pod, 'client');
        const outcome = await outcomeOf(big, at(`${ip}:8080`, { big: 'x'.repeat(70_000) })).catch(() => 'refused');
        assert.notEqual(outcome, '200');
        big.destroy();
        const next = await session(pod, 'client');
        assert.equal(await outcomeOf(next, at(`${ip}:8080`)), '200');
        next.destroy();
      });

      for (const [name, block] of rawRows) {
        test(`a header block with ${name}: the stream or the connection is reset`, async () => {
          const peer = await rawPeer(pod);
          peer.write(Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0)), frame(1, 4, 1, block)]));
          // RST_STREAM or GOAWAY, each with PROTOCOL_ERROR; anything but an answer.
          const [type, code] = await nextEnd(peer);
          assert.ok(type === 3 || type === 7, `frame type ${type}`);
          assert.equal(code, constants.NGHTTP2_PROTOCOL_ERROR);
          peer.destroy();
        });
      }

      test('five hundred streams at once: what is beyond 200 waits or is refused, none is lost track of', async () => {
        const busy = await session(pod, 'client');
        const outcomes = await Promise.all(Array.from({ length: 500 }, async () => outcomeOf(busy, at(`${ip}:15008`))));
        // Core http2 refuses a stream with ENHANCE_YOUR_CALM while earlier ones are still being put away.
        const allowed = new Set([
          '503',
          `reset ${constants.NGHTTP2_REFUSED_STREAM}`,
          `reset ${constants.NGHTTP2_ENHANCE_YOUR_CALM}`,
        ]);
        assert.deepEqual(
          outcomes.filter((outcome) => !allowed.has(outcome)),
          [],
        );
        assert.ok(outcomes.filter((outcome) => outcome === '503').length >= 200);
        busy.destroy();
      });

      test('after all of it the pod serves, and nothing of the refused is held', async () => {
        assert.equal(await outcomeOf(h2, at(`${ip}:8080`)), '200');
        h2.destroy();
        for (let left = 200; left > 0 && pod.tunnels.connections + pod.context.registry.size > 0; left -= 1) {
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
        assert.equal(pod.tunnels.connections, 0);
        assert.equal(pod.context.registry.size, 0);
      });
    });
  }

  suite('who may not even speak to the tunnel port', { timeout: 60_000 }, () => {
    let pod: TestPod;
    before(async () => {
      pod = await startTestPod(ip, state, material);
    });
    after(async () => pod[Symbol.asyncDispose]());

    const stranger = createSelfSignedRoot({ trustDomain: 'cluster.local' });
    const past = (): number => Date.now() - 30 * day;
    const tlsRows: readonly (readonly [name: string, options: () => Promise<ConnectionOptions>])[] = [
      ['without a certificate', async () => tlsOf(undefined)],
      ['of another trust domain', async () => tlsOf(await issue(spiffe('client', 'other.domain')))],
      ['of another authority', async () => tlsOf(await issue(spiffe('client'), stranger))],
      ['whose certificate has expired', async () => tlsOf(await issue(spiffe('client'), material, past))],
      ['with a host name for identity', async () => tlsOf(await issue('client.shop'))],
      ['with an address for identity', async () => tlsOf(await issue('10.0.0.1'))],
      [
        'with TLS 1.2',
        async () => tlsOf(await issue(spiffe('client')), { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }),
      ],
      ['with HTTP/1.1 only', async () => tlsOf(await issue(spiffe('client')), { ALPNProtocols: ['http/1.1'] })],
      [
        'with ChaCha20 only',
        async () => tlsOf(await issue(spiffe('client')), { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }),
      ],
    ];
    for (const [name, options] of tlsRows) {
      test(`a peer ${name}: no connection, one warn line`, async () => {
        const known = pod.records.length;
        const socket = connectTls({ host: pod.ip, port: pod.port, ...(await options()) });
        socket.resume();
        await gone(socket);
        await eventually(() => pod.records.length > known);
        const [line, ...others] = pod.records.slice(known);
        assert.match(errorOf(line), /^tls handshake error: /);
        assert.equal(line?.['message'], 'connection failed');
        assert.deepEqual(others, []);
      });
    }

    const byteRows: readonly (readonly [string, Buffer])[] = [
      ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
      ['the HTTP/2 preface in clear text', PREFACE],
      ['noise', Buffer.alloc(4096, 0xa5)],
      ['a TLS record that announces more than there may be', Buffer.from([22, 3, 1, 0xff, 0xff, 1])],
    ];
    for (const [name, bytes] of byteRows) {
      test(`a peer that sends ${name}: closed, one warn line`, async () => {
        const known = pod.records.length;
        const socket = connectTcp(pod.port, pod.ip);
        socket.end(bytes);
        socket.resume();
        await gone(socket);
        await eventually(() => pod.records.length > known);
        assert.match(errorOf(pod.records.at(-1)), /^tls handshake error: /);
        assert.equal(pod.tunnels.connections, 0);
      });
    }
  });

  suite('plaintext, outbound and SOCKS5', { timeout: 60_000 }, () => {
    let pod: TestPod;
    before(async () => {
      pod = await startTestPod(ip, state, material);
      await pod.serve(9999, (endpoint) => void servePlaintext(pod.context, endpoint));
      await pod.serve(15_006, (endpoint) => void servePlaintext(pod.context, endpoint));
      await pod.serve(15_080, (endpoint) => void serveSocks5(pod.context, endpoint));
      for (const port of [15_001, 15_008, 15_053]) {
        await pod.serve(port, (endpoint) => void serveOutbound(pod.context, endpoint, { ip: '127.0.0.1', port }));
      }
    });
    after(async () => pod[Symbol.asyncDispose]());

    /** Connects, sends, and waits for the end; resolves with what came back. */
    const exchange = async (port: number, bytes: Buffer): Promise<Buffer> => {
      const got: Buffer[] = [];
      const socket: Socket = connectTcp({ host: ip, port, localAddress: '127.75.0.9' });
      socket.on('data', (chunk: Buffer) => got.push(chunk));
      socket.write(bytes);
      await gone(socket);
      return Buffer.concat(got);
    };
    const lastError = async (known: number): Promise<string> => {
      await eventually(() => pod.records.slice(known).some((record) => record['error'] !== undefined));
      return errorOf(pod.records.findLast((record) => record['error'] !== undefined));
    };

    const rows: readonly (readonly [name: string, port: number, error: string])[] = [
      [
        'plaintext that a policy denies',
        9999,
        'connection closed due to policy rejection: explicitly denied by: shop/not-denied',
      ],
      ['plaintext to the port of the proxy', 15_006, selfCall],
      ['outbound to the own outbound port on loopback', 15_001, selfCall],
      ['outbound to the own tunnel port on loopback', 15_008, selfCall],
      ['outbound to a closed port', 15_053, 'io error: '],
    ];
    for (const [name, port, error] of rows) {
      test(`${name}: closed without a byte, ${error}`, async () => {
        const known = pod.records.length;
        assert.equal((await exchange(port, Buffer.from('hello'))).length, 0);
        assert.ok((await lastError(known)).startsWith(error), await lastError(known));
      });
    }

    const greeting = [5, 1, 0];
    const socksRows: readonly (readonly [name: string, bytes: readonly number[], reply: string])[] = [
      ['version 4', [4, 1, 0, 80, 10, 0, 0, 1, 0], '05070001000000000000'],
      ['no method that we speak', [5, 1, 2], '05070001000000000000'],
      ['no method at all', [5, 0], '05070001000000000000'],
      ['the command BIND', [...greeting, 5, 2, 0, 1, 10, 0, 0, 1, 0, 80], '050005070001000000000000'],
      ['UDP', [...greeting, 5, 3, 0, 1, 10, 0, 0, 1, 0, 80], '050005070001000000000000'],
      ['an unknown address type', [...greeting, 5, 1, 0, 9, 10, 0, 0, 1, 0, 80], '050005070001000000000000'],
      ['an empty name', [...greeting, 5, 1, 0, 3, 0, 0, 80], '050005070001000000000000'],
      ['a name that is none', [...greeting, 5, 1, 0, 3, 3, 0x2f, 0x2e, 0x2e, 0, 80], '050005070001000000000000'],
      ['a wrong version in the request', [...greeting, 4, 1, 0, 1, 10, 0, 0, 1, 0, 80], '050005070001000000000000'],
    ];
    for (const [name, bytes, reply] of socksRows) {
      test(`SOCKS5 with ${name}: ${reply}`, async () => {
        assert.equal((await exchange(15_080, Buffer.from(bytes))).toString('hex'), reply);
      });
    }

    test('nothing is held afterwards', async () => {
      await eventually(() => pod.context.registry.size === 0);
      assert.deepEqual(pod.context.openSockets, { source: 0, destination: 0 });
    });
  });
}

/** What a record tells as its error. */
function errorOf(record: Readonly<Record<string, unknown>> | undefined): string {
  const error = record?.['error'];
  return typeof error === 'string' ? error : '';
}

/** Resolves when the connection is over, however it came to that. */
async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.on('close', resolve));
}

async function eventually(condition: () => boolean): Promise<void> {
  const limitMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > limitMs) throw new Error('the condition did not come true within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Hundreds of broken connections leave a process that other tests should not have to share.
if (process.argv.includes('tables')) registerTables();
else {
  test('every row of the tables has its one outcome', { timeout: 110_000 }, async () => {
    const child = spawn(
      process.execPath,
      ['--conditions=@ambit/source', '--test-force-exit', import.meta.filename, 'tables'],
      {
        env: { PATH: '/usr/bin:/bin' },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    const [status] = (await once(child, 'exit')) as [number | null];
    const text = Buffer.concat(output).toString();
    assert.equal(status, 0, text.slice(-8000));
    assert.ok(text.includes('CONNECT with the own address and an open port: 200'), text.slice(-2000));
  });
}
