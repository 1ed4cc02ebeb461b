// exec and port-forward over SPDY/3.1, as older Go clients and kubectl speak it, spoken here by hand against a running
// cluster in loopback mode: no kubectl needed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { parse } from 'yaml';
import { startTestCluster, webImage } from '../fixtures/local-cluster.ts';
import type { TestCluster } from '../fixtures/local-cluster.ts';

interface SpdyStream extends Duplex {
  readonly headers: ReadonlyMap<string, string>;
}

interface SpdySession {
  open(headers: ReadonlyMap<string, string>): SpdyStream;
  destroy(): void;
}

/** The codec of the package under test, from its client side; a private part, so it is loaded by its path. */
interface Codec {
  readonly SpdySession: new (options: {
    readonly role: 'client';
    readonly transport: Duplex;
    readonly head?: Buffer;
    readonly onStream: () => void;
  }) => SpdySession;
}

const codecUrl = new URL('../../packages/local-cluster/src/api/streams/spdy/session.ts', import.meta.url);
const { SpdySession } = (await import(codecUrl.href)) as Codec;

const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';

interface Access {
  readonly host: string;
  readonly port: number;
  readonly ca: Buffer;
  readonly token: string;
}

interface KubeConfig {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly user: { readonly token: string } }[];
}

function accessOf(cluster: TestCluster): Access {
  const config = parse(readFileSync(join(cluster.stateDir, 'kubeconfig'), 'utf8')) as KubeConfig;
  const entry = config.clusters[0]?.cluster ?? {};
  const url = new URL(entry['server'] ?? '');
  return {
    host: url.hostname,
    port: Number(url.port),
    ca: Buffer.from(entry['certificate-authority-data'] ?? '', 'base64'),
    token: config.users[0]?.user.token ?? '',
  };
}

/** Sends an upgrade request; answers with the status line and headers, and what came behind them. */
async function upgrade(
  access: Access,
  path: string,
  headers: readonly string[],
  method = 'POST',
): Promise<{ socket: Duplex; answer: string; head: Buffer }> {
  const { host, port, ca, token } = access;
  const socket = connect({ host, port, ca, ALPNProtocols: ['http/1.1'] });
  await once(socket, 'secureConnect');
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${token}`,
    'Connection: Upgrade',
  ];
  socket.write(`${[...lines, ...headers].join('\r\n')}\r\n\r\n`);
  let bytes = Buffer.alloc(0);
  while (!bytes.includes('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
  }
  const end = bytes.indexOf('\r\n\r\n') + 4;
  return { socket, answer: bytes.toString('latin1', 0, end), head: bytes.subarray(end) };
}

/** Binary messages of a client as a byte stream, with an empty mask and the long form of the length. */
function insideWebSocket(socket: Duplex, head: Buffer): Duplex {
  let rest = head;
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      const start = Buffer.alloc(14);
      start.writeUInt8(0x82, 0);
      start.writeUInt8(0x80 | 127, 1);
      start.writeBigUInt64BE(BigInt(chunk.length), 2);
      socket.write(Buffer.concat([start, chunk]), done);
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  const read = (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const short = (rest[1] ?? 0) & 0x7f;
      const size = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (rest.length < size) return;
      const length = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
      if (rest.length < size + length) return;
      if ((rest[0] ?? 0) % 16 === 2) stream.push(rest.subarray(size, size + length));
      rest = rest.subarray(size + length);
    }
  };
  socket.on('data', read);
  socket.on('end', () => stream.push(null));
  return stream;
}

async function startSpdy(access: Access, path: string, protocol: string): Promise<SpdySession> {
  const { socket, answer, head } = await upgrade(access, path, [
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
  ]);
  assert.match(answer, /^HTTP\/1\.1 101 /);
  return new SpdySession({ role: 'client', transport: socket, head, onStream: () => undefined });
}

const collect = async (stream: SpdyStream): Promise<string> => {
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(stream, 'end');
  return text;
};

/** Asks the web server of the pod through a new connection of the session. */
async function ask(session: SpdySession, port: number, id: number): Promise<{ data: string; error: string }> {
  const open = (type: string): SpdyStream =>
    session.open(
      new Map([
        ['streamtype', type],
        ['port', String(port)],
        ['requestid', String(id)],
      ]),
    );
  const error = open('error');
  error.end();
  const data = open('data');
  data.on('error', () => undefined);
  const texts = { data: '' };
  data.on('data', (chunk: Buffer) => (texts.data += chunk.toString()));
  data.end('GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n');
  return { error: await collect(error), data: texts.data };
}

async function startPod(cluster: TestCluster): Promise<string> {
  const pods = '/api/v1/namespaces/default/pods';
  await cluster.until('the service account', async () => {
    const found = await cluster.api('GET', '/api/v1/namespaces/default/serviceaccounts/default', undefined, {
      tolerate: true,
    });
    return found.kind === 'ServiceAccount';
  });
  const containers = [{ name: 'web', image: webImage.match, env: [{ name: 'VERSION', value: 'v1' }] }];
  await cluster.api('POST', pods, { metadata: { name: 'web' }, spec: { containers } });
  await cluster.until('the pod', async () => {
    const log = await cluster.log('default', 'web');
    return log.includes('listening');
  });
  return `${pods}/web`;
}

test('streams of pods over SPDY', { timeout: 60_000 }, async (context) => {
  await using cluster = await startTestCluster('loopback', [webImage]);
  const access = accessOf(cluster);
  const pod = await startPod(cluster);

  await context.test('a command has its streams and its exit status', async () => {
    const query = 'command=sh&command=-c&command=cat;echo+oops+>%262;exit+3&stdin=true&stdout=true&stderr=true';
    const session = await startSpdy(access, `${pod}/exec?${query}`, 'v4.channel.k8s.io');
    const open = (type: string): SpdyStream => session.open(new Map([['streamtype', type]]));
    const [error, stdin, stdout, stderr] = ['error', 'stdin', 'stdout', 'stderr'].map(open) as [
      SpdyStream,
      SpdyStream,
      SpdyStream,
      SpdyStream,
    ];
    const texts = Promise.all([error, stdout, stderr].map(collect));
    stdin.end('x'.repeat(300_000));
    const [status = '', out = '', err] = await texts;
    assert.equal(out.length, 300_000);
    assert.equal(err, 'oops\n');
    const { details } = JSON.parse(status) as { details: unknown };
    assert.deepEqual(details, { causes: [{ reason: 'ExitCode', message: '3' }] });
    session.destroy();
  });

  await context.test('connections to a port are independent, a refused one says so', async () => {
    const session = await startSpdy(access, `${pod}/portforward`, 'portforward.k8s.io');
    const answers = await Promise.all([ask(session, 8080, 0), ask(session, 9, 1), ask(session, 8080, 2)]);
    assert.match(answers[0].data, /200 OK[^]*v1 /);
    assert.match(answers[1].error, /ECONNREFUSED/);
    assert.match(answers[2].data, /200 OK[^]*v1 /);
    session.destroy();
  });

  await context.test('the same inside a WebSocket, as kubectl does', async () => {
    const { socket, answer, head } = await upgrade(
      access,
      `${pod}/portforward`,
      [
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
        `Sec-WebSocket-Protocol: ${tunnelProtocol}`,
      ],
      'GET',
    );
    assert.match(answer, /^HTTP\/1\.1 101 /);
    assert.match(answer, /\r\nSec-WebSocket-Protocol: SPDY\/3\.1\+portforward\.k8s\.io\r\n/);
    const transport = insideWebSocket(socket, head);
    const session = new SpdySession({ role: 'client', transport, onStream: () => undefined });
    const answers = await Promise.all([ask(session, 8080, 0), ask(session, 8080, 1)]);
    for (const { data } of answers) assert.match(data, /200 OK[^]*v1 /);
    session.destroy();
  });

  await context.test('a protocol nobody serves is refused with 403', async () => {
    const headers = ['Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v9.channel.k8s.io'];
    const { answer, socket } = await upgrade(access, `${pod}/exec?command=true&stdout=true`, headers);
    assert.match(answer, /^HTTP\/1\.1 403 /);
    socket.destroy();
  });
});
