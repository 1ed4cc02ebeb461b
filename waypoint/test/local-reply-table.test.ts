// The table of answers of our own (spec/waypoint.md 6.2), one row each, through a real data plane: status, body, flags and details in
// the access log. Rows that need more than one request or another service stand in http1.test.ts (RBAC, client gone, response
// broken), jwt.test.ts, ext-authz.test.ts, rate-limit-mirror.test.ts, services.test.ts, traffic-policy.test.ts and bad-input.test.ts.
// Rows that cannot come about here: local reset (a try that we end is one whose request is over), 500 and 507 for buffers (responses
// are never held; while a retry waits the client is held back, so that its body cannot outgrow the buffer), invalid x-envoy headers
// (those of clients are removed), overload (no such manager), missing path (both codecs refuse such a head). Rows of roles that
// do not exist yet: HTTPS redirect and 421 (gateways). DNS on demand stands in dns.test.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Backend_Kind, ClientTls_Mode } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { RawClient } from './envoy-http/client.ts';

const frontendKey = `apps/${HOSTNAME}`;
const limitMs = 20_000;
const lead = 'upstream connect error or disconnect/reset before headers.';

/** Seconds and nanoseconds. */
const ms = (value: number) => ({ seconds: BigInt(Math.floor(value / 1000)), nanos: (value % 1000) * 1_000_000 });

/** One row: fields of the rule, and what client and log see. */
interface Row {
  readonly name: string;
  readonly rule: object;
  readonly status: number;
  readonly body: string;
  readonly flags: string;
  readonly details: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const oneTry = { retry: { attempts: 0 } };
const to = (backend: string, more: object = oneTry): object => ({
  action: { case: 'forward', value: { targets: [{ backend, weight: 1 }] } },
  ...more,
});

const rows: readonly Row[] = [
  { name: 'backend unknown', rule: to('nobody'), status: 500, body: '', flags: 'NC', details: 'cluster_not_found' },
  {
    name: 'weight sum 0',
    rule: { action: { case: 'forward', value: { targets: [{ backend: 'silent' }, { backend: 'silent' }] } } },
    status: 500,
    body: '',
    flags: '-',
    details: 'direct_response',
  },
  {
    name: 'no usable endpoint',
    rule: to('empty'),
    status: 503,
    body: 'no healthy upstream',
    flags: 'UH',
    details: 'no_healthy_upstream',
  },
  {
    name: 'connect refused',
    rule: to('refused'),
    status: 503,
    body: `${lead} reset reason: remote connection failure`,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|',
  },
  {
    name: 'connect timeout',
    rule: to('handshakeless'),
    status: 503,
    body: `${lead} reset reason: connection timeout`,
    flags: 'UF',
    details: 'upstream_reset_before_response_started{connection_timeout}',
  },
  {
    name: 'upstream closed before headers',
    rule: to('closing'),
    status: 503,
    body: `${lead} reset reason: connection termination`,
    flags: 'UC',
    details: 'upstream_reset_before_response_started{connection_termination}',
  },
  {
    name: 'upstream RST_STREAM',
    rule: to('resetting'),
    status: 503,
    body: `${lead} reset reason: remote reset`,
    flags: 'UR',
    details: 'upstream_reset_before_response_started{remote_reset}',
  },
  {
    name: 'REFUSED_STREAM',
    rule: to('refusing'),
    status: 503,
    body: `${lead} reset reason: remote refused stream reset`,
    flags: 'UR',
    details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
  },
  {
    name: 'upstream protocol error',
    rule: to('garbage'),
    status: 502,
    body: `${lead} reset reason: protocol error`,
    flags: 'UPE',
    details: 'upstream_reset_before_response_started{protocol_error}',
  },
  {
    name: 'after at least one retry',
    rule: to('refused', { retry: { attempts: 1, retryOn: ['connect-failure'] } }),
    status: 503,
    body: `${lead} retried and the latest reset reason: remote connection failure`,
    flags: 'URX,UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|',
  },
  {
    name: 'route timeout',
    rule: to('silent', { ...oneTry, timeout: ms(60), timeoutSet: true }),
    status: 504,
    body: 'upstream request timeout',
    flags: 'UT',
    details: 'response_timeout',
  },
  {
    name: 'per-try timeout of the last try',
    rule: to('silent', { retry: { attempts: 1, perTry: ms(40), retryOn: ['5xx'], base: ms(1) } }),
    status: 504,
    body: 'upstream request timeout',
    flags: 'URX,UT',
    details: 'upstream_per_try_timeout',
  },
  {
    name: 'max stream duration',
    rule: to('silent', { ...oneTry, maxStream: ms(60) }),
    status: 504,
    body: 'downstream duration timeout',
    flags: '-',
    details: 'max_duration_timeout',
  },
  {
    name: 'stream idle, the request complete',
    rule: to('silent', { ...oneTry, idleTimeout: ms(60) }),
    status: 504,
    body: 'stream timeout',
    flags: 'SI',
    details: 'stream_idle_timeout',
  },
  {
    name: 'fault abort',
    rule: to('answering', { fault: { abortHttp: 418, abortPpm: 1_000_000 } }),
    status: 418,
    body: 'fault filter abort',
    flags: 'FI',
    details: 'fault_filter_abort',
  },
  {
    name: 'fault delay',
    rule: to('answering', { fault: { delay: ms(1), delayPpm: 1_000_000 } }),
    status: 200,
    body: 'ok',
    flags: 'DI',
    details: 'via_upstream',
  },
  {
    name: 'redirect',
    rule: { action: { case: 'redirect', value: { host: 'other.example', status: 302 } } },
    status: 302,
    body: '',
    flags: '-',
    details: 'direct_response',
    headers: { location: 'http://other.example/redirect' },
  },
  {
    name: 'direct response',
    rule: { action: { case: 'direct', value: { status: 299, body: Buffer.from('hello') } } },
    status: 299,
    body: 'hello',
    flags: '-',
    details: 'direct_response',
  },
  {
    name: 'local rate limit',
    rule: to('answering', { policies: [{ policy: 'none-left', failClosedIfMissing: true }] }),
    status: 429,
    body: 'local_rate_limited',
    flags: 'RL',
    details: 'local_rate_limited',
  },
  {
    name: 'a policy of the rule that is missing',
    rule: to('answering', { policies: [{ policy: 'gone', failClosedIfMissing: true }] }),
    status: 403,
    body: 'RBAC: access denied',
    flags: '-',
    details: 'rbac_access_denied_matched_policy[gone]',
  },
];

describe('answers of our own', () => {
  let mesh: TestMesh;
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const pathOf = (name: string): string => `/${name.replaceAll(' ', '-')}`;

  const serve = async (onConnection: (socket: Socket) => void): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const serveHttp2 = async (code: number): Promise<number> => {
    const inner = createHttp2Server();
    inner.on('stream', (stream) => {
      stream.on('error', () => undefined);
      stream.close(code);
    });
    inner.on('sessionError', () => undefined);
    return serve((socket) => void inner.emit('connection', socket));
  };
  const backend = (port: number, protocol = 1, more: object = {}) => ({
    hostname: 'a.example',
    kind: Backend_Kind.STATIC,
    protocol,
    endpoints: [{ address: '127.0.0.1', port }],
    ...more,
  });

  before(async () => {
    mesh = await startTestMesh();
    const silent = await serve((socket) => socket.resume());
    const answering = await serve((socket) =>
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')),
    );
    const closed = await serve(() => undefined);
    const gone = servers.pop() as Server;
    gone.close();
    await once(gone, 'close');
    mesh.configure({
      policies: {
        'none-left': { body: { case: 'localRateLimit', value: { maxTokens: 1, interval: ms(3_600_000) } } },
      },
      backends: {
        empty: { hostname: 'a.example', kind: Backend_Kind.STATIC },
        silent: backend(silent),
        answering: backend(answering),
        refused: backend(closed),
        handshakeless: backend(silent, 1, {
          tls: { mode: ClientTls_Mode.SIMPLE, insecure: true },
          pool: { connect: ms(60) },
        }),
        closing: backend(await serve((socket) => socket.once('data', () => socket.end()))),
        garbage: backend(await serve((socket) => socket.once('data', () => socket.end('\x01 what is this\r\n\r\n')))),
        resetting: backend(await serveHttp2(2), 2),
        refusing: backend(await serveHttp2(7), 2),
      },
      routeTables: {
        table: {
          gatewaySemantics: true,
          routes: rows.map(({ name, rule }) => ({
            name,
            matches: [{ path: { m: { case: 'exact' as const, value: pathOf(name) } } }],
            ...rule,
          })) as never,
        },
        sidecar: { routes: [{ name: 'r', ...to('nobody') }] as never },
      },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [
            { port: 80, protocol: 1, routeTable: 'table' },
            { port: 81, protocol: 1, routeTable: 'sidecar' },
            { port: 82, protocol: 1, routeTable: 'not there yet' },
          ],
        },
      },
    });
    await mesh.get(pathOf('local rate limit')); // takes the one token
  });
  after(() => {
    mesh.close();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });

  const logged = (status: number, flags: string, details: string): void => {
    const line = mesh.accessLines.at(-1) ?? '';
    assert.ok(line.includes(` ${status} ${flags} ${details}`), `${status} ${flags} ${details} in ${line}`);
  };

  for (const row of rows) {
    test(`${row.name}: ${row.status} ${row.flags}`, { timeout: 60_000 }, async () => {
      const response = await mesh.get(pathOf(row.name));
      assert.deepEqual([response.status, response.body], [row.status, row.body]);
      for (const [name, value] of Object.entries(row.headers ?? {})) assert.equal(response.headers[name], value);
      assert.equal(response.headers['server'], 'istio-envoy');
      assert.equal(response.headers['content-length'], String(row.body.length));
      if (row.body !== '' && row.details !== 'via_upstream')
        assert.equal(response.headers['content-type'], 'text/plain');
      logged(row.status, row.flags, row.details);
    });
  }

  test('no route: 404 NR', async () => {
    assert.equal((await mesh.get('/no-such-path')).status, 404);
    logged(404, 'NR', 'route_not_found');
  });

  /** Bytes that never become a request, or none that may pass; each ends its connection. */
  const refusals: readonly (readonly [name: string, bytes: string, status: number, flags: string, details: string])[] =
    [
      ['bad framing', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400, 'DPE', 'http1.codec_error'],
      [
        'both framings',
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
        'DPE',
        'http1.content_length_and_chunked_not_allowed',
      ],
      [
        'bad transfer-encoding',
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n',
        501,
        'DPE',
        'http1.invalid_transfer_encoding',
      ],
      [
        'headers too large',
        `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
        431,
        'DPE',
        'http1.headers_too_large',
      ],
      [
        'too many headers',
        `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(101)}\r\n`,
        431,
        'DPE',
        'http1.too_many_headers',
      ],
      ['HTTP/1.0 refused', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', 426, 'DPE', 'low_version'],
      ['missing host', 'GET / HTTP/1.1\r\n\r\n', 400, '-', 'missing_host_header'],
      ['bad path', 'GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400, '-', 'path_normalization_failed'],
      [
        'upgrade not allowed',
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n',
        403,
        '-',
        'upgrade_failed',
      ],
    ];
  for (const [name, bytes, status, flags, details] of refusals) {
    test(`${name}: ${status} ${details}`, { timeout: 60_000 }, async () => {
      const client = new RawClient(await mesh.tunnel());
      const lines = mesh.accessLines.length;
      await client.send([bytes]);
      assert.ok(await client.until(() => client.after !== 'open', limitMs), 'the connection ends');
      assert.equal(client.received.split(' ')[1], String(status));
      assert.ok(await client.until(() => mesh.accessLines.length > lines, limitMs));
      logged(status, flags, details);
    });
  }
});
