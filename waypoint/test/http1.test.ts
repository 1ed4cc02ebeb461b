// HTTP/1.1 through a real data plane: tunnels in, tunnels out, everything on loopback.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { request as httpRequest } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { HOSTNAME, startTestMesh, testService, type TestMesh, VIP } from '../src/testing/index.ts';
import { tunnelSocket } from '../src/http/tunnel-socket.ts';

const frontendKey = `apps/${HOSTNAME}`;
const tableKey = `${frontendKey}:80`;
const backendKey = `${frontendKey}/80`;
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });

// One suite: hooks at file level would run for every test of the process.
describe('HTTP/1.1 through a data plane', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh({ random: () => mesh.nextRandom() });
  });
  afterEach(() => mesh.close());

  /** Attaches routes to port 80. */
  const route = (routes: object[], extra: object = {}): void => {
    mesh.configure({
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: tableKey }],
        },
      },
      routeTables: { [tableKey]: { gatewaySemantics: true, routes, ...extra } as never },
    });
  };
  const forward = (backend = backendKey, more: object = {}) => ({
    name: 'apps.route.0',
    action: { case: 'forward', value: { targets: [{ backend, weight: 1 }] } },
    ...more,
  });

  test('a GET goes through the default route; headers are those of upstream', async () => {
    let seen: string[] = [];
    mesh.addWorkload(2, {
      handler: (request, response) => {
        seen = request.rawHeaders;
        response.setHeader('x-app', '1');
        response.end('hello\n');
      },
    });
    const response = await mesh.get('/hello?x=1', {
      headers: { 'x-envoy-max-retries': '9', 'X-Forwarded-Client-Cert': 'forged' },
    });
    assert.equal(response.status, 200);
    assert.equal(response.body, 'hello\n');
    assert.equal(response.headers['server'], 'istio-envoy');
    assert.match(response.headers['x-envoy-upstream-service-time'] as string, /^\d+$/);
    assert.deepEqual(mesh.upstreamAuthorities, ['127.0.0.2:8080']);
    const headers = Object.fromEntries(
      seen.flatMap((name, index) => (index % 2 === 0 ? [[name, seen[index + 1]]] : [])),
    );
    assert.equal(headers['host'], 'reviews');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.match(headers['x-request-id'] as string, /^[0-9a-f-]{36}$/);
    assert.equal(headers['x-envoy-attempt-count'], '1');
    assert.equal(headers['x-envoy-max-retries'], undefined);
    assert.equal(headers['x-forwarded-client-cert'], undefined);
    assert.match(
      mesh.accessLines[0] ?? '',
      /^\[.*\] "GET \/hello\?x=1 HTTP\/1.1" 200 - via_upstream - "-" 0 6 \d+ \d+ "-" "-" "[0-9a-f-]{36}" "reviews" "envoy:\/\/connect_originate\/127.0.0.2:8080" inbound-vip\|80\|http\|reviews.apps.svc.cluster.local - 10.96.0.50:80 10.1.2.3:5555 - default$/,
    );
  });

  test('connections to a workload are reused', async () => {
    mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
    for (let index = 0; index < 5; index++) assert.equal((await mesh.get('/')).status, 200);
    assert.equal(mesh.upstreamAuthorities.length, 1);
  });

  test('series carry both ends', async () => {
    mesh.addWorkload(2);
    await mesh.get('/');
    const text = await mesh.metrics();
    const line = text.split('\n').find((candidate) => candidate.startsWith('istio_requests_total')) ?? '';
    for (const label of [
      'reporter="waypoint"',
      'source_workload="curl"',
      'source_workload_namespace="clients"',
      'source_principal="spiffe://cluster.local/ns/clients/sa/client"',
      'destination_workload="reviews-v2"',
      'destination_principal="spiffe://cluster.local/ns/apps/sa/reviews"',
      `destination_service="${HOSTNAME}"`,
      'destination_service_name="reviews"',
      'response_code="200"',
      'response_flags="-"',
      'request_protocol="http"',
      'connection_security_policy="mutual_tls"',
      'destination_version="v2"',
      'grpc_response_status=""',
    ])
      assert.ok(line.includes(label), `${label} in ${line}`);
    assert.ok(text.includes('istio_request_duration_milliseconds_bucket'));
  });

  describe('local replies', () => {
    test('403 has the words of upstream and the policy in the log', async () => {
      mesh.addWorkload(2);
      mesh.configure({
        frontends: {
          [frontendKey]: {
            hostname: HOSTNAME,
            namespace: 'apps',
            ports: [{ port: 80, protocol: 1, backend: backendKey }],
            policies: [{ policy: 'p', failClosedIfMissing: true }],
          },
        },
        policies: {
          p: {
            meta: { namespace: 'apps', name: 'get-only' },
            body: {
              case: 'authz',
              value: {
                action: 0,
                rules: [
                  {
                    from: [{ principals: [exact('cluster.local/ns/clients/sa/client')] }],
                    to: [{ methods: [exact('GET')] }],
                  },
                ],
              },
            },
          },
        },
      });
      assert.equal((await mesh.get('/')).status, 200);
      const denied = await mesh.get('/', { method: 'POST' });
      assert.equal(denied.status, 403);
      assert.equal(denied.body, 'RBAC: access denied');
      assert.equal(denied.headers['content-type'], 'text/plain');
      assert.equal(denied.headers['server'], 'istio-envoy');
      assert.equal((await mesh.get('/', { serviceAccount: 'stranger' })).status, 403);
      assert.match(mesh.accessLines[1] ?? '', / 403 - rbac_access_denied_matched_policy\[none\] /);
      mesh.configure({ removePolicies: ['p'] });
      assert.equal((await mesh.get('/')).status, 403, 'a policy that is missing denies');
    });

    test('404 without body when no route fits', async () => {
      mesh.addWorkload(2);
      route([forward(backendKey, { matches: [{ path: exact('/only') }] })]);
      const response = await mesh.get('/other');
      assert.equal(response.status, 404);
      assert.equal(response.body, '');
      assert.equal(response.headers['content-length'], '0');
      assert.match(mesh.accessLines[0] ?? '', / 404 NR route_not_found /);
    });

    test('a table that has not arrived is 404, never the default route', async () => {
      mesh.addWorkload(2);
      mesh.configure({
        frontends: {
          [frontendKey]: {
            hostname: HOSTNAME,
            namespace: 'apps',
            ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: 'later' }],
          },
        },
      });
      assert.equal((await mesh.get('/')).status, 404);
      assert.match(mesh.accessLines[0] ?? '', /route_configuration_not_found/);
    });

    test('503 without endpoints, 500 for an unknown backend', async () => {
      const response = await mesh.get('/');
      assert.equal(response.status, 503);
      assert.equal(response.body, 'no healthy upstream');
      assert.match(mesh.accessLines[0] ?? '', / 503 UH no_healthy_upstream /);
      route([forward('nobody')]);
      assert.equal((await mesh.get('/')).status, 500);
    });

    test('503 with the reason when the destination refuses the tunnel', async () => {
      mesh.addWorkload(2, { overrides: { ips: ['127.0.0.3'] } });
      const response = await mesh.get('/');
      assert.equal(response.status, 503);
      assert.equal(
        response.body,
        'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure',
      );
      assert.match(
        mesh.accessLines[0] ?? '',
        / 503 URX,UF upstream_reset_before_response_started\{remote_connection_failure\|hbone_denied/,
      );
    });

    test('a peer with another identity is not talked to', async () => {
      mesh.addWorkload(2, { overrides: { serviceAccount: 'somebody-else' } });
      const response = await mesh.get('/');
      assert.equal(response.status, 503);
      assert.match(response.body, /reset reason: remote connection failure$/);
      assert.match(mesh.accessLines[0] ?? '', /SAN_mismatch/);
    });

    test('gRPC requests get gRPC answers', async () => {
      const response = await mesh.get('/svc/Method', {
        method: 'POST',
        headers: { 'content-type': 'application/grpc' },
        body: 'x',
      });
      assert.equal(response.status, 200);
      assert.equal(response.headers['grpc-status'], '14');
      assert.equal(response.headers['grpc-message'], 'no healthy upstream');
    });

    test('a plain endpoint that refuses the connection', async () => {
      mesh.addWorkload(2, { overrides: { protocol: 'TCP', services: { [frontendKey]: { 80: 1 } } } });
      const response = await mesh.get('/');
      assert.equal(response.status, 503);
      assert.match(response.body, /reset reason: remote connection failure$/);
    });
  });

  describe('routes', () => {
    test('90 to 10 is 90 to 10', async () => {
      const other = 'apps/v2.apps.svc.cluster.local/80';
      mesh.publish({ services: [testService({ name: 'v2', hostname: 'v2.apps.svc.cluster.local', vips: [] })] });
      mesh.configure({
        backends: {
          [other]: { hostname: 'v2.apps.svc.cluster.local', port: 80, protocol: 1, serviceNamespace: 'apps' },
        },
      });
      mesh.addWorkload(2, { handler: (_request, response) => response.end('v1') });
      mesh.addWorkload(3, {
        handler: (_request, response) => response.end('v2'),
        overrides: { services: { 'apps/v2.apps.svc.cluster.local': { 80: 8080 } } },
      });
      route([
        {
          name: 'split',
          action: {
            case: 'forward',
            value: {
              targets: [
                { backend: backendKey, weight: 90 },
                { backend: other, weight: 10 },
              ],
            },
          },
        },
      ]);
      const seen = { v1: 0, v2: 0 };
      for (let index = 0; index < 100; index++) {
        mesh.randoms.push(index / 100);
        seen[(await mesh.get('/')).body as 'v1' | 'v2']++;
      }
      assert.deepEqual(seen, { v1: 90, v2: 10 });
    });

    test('header operations, rewrites and redirects', async () => {
      mesh.addWorkload(2, {
        handler: (request, response) => {
          response.setHeader('x-drop', '1');
          response.end(
            `${request.url} ${request.headers.host} ${String(request.headers['x-set'])} ${String(request.headers['x-envoy-original-path'])}`,
          );
        },
      });
      route([
        {
          name: 'r',
          matches: [{ path: exact('/old') }],
          action: { case: 'redirect', value: { path: { case: 'full', value: '/new' }, status: 301 } },
        },
        forward(backendKey, {
          matches: [{ path: { m: { case: 'prefix', value: '/foo' } }, segmentPrefix: true }],
          requestHeaders: { set: { 'x-set': 'yes' } },
          responseHeaders: { remove: ['x-drop'], add: { 'x-added': '1' } },
          rewrite: { host: 'inner', path: { case: 'prefix', value: '/bar' }, segmentPrefix: true },
        }),
      ]);
      const response = await mesh.get('/foo/x?q');
      assert.equal(response.body, '/bar/x?q inner yes /foo/x?q');
      assert.equal(response.headers['x-drop'], undefined);
      assert.equal(response.headers['x-added'], '1');
      const redirect = await mesh.get('/old', { headers: { host: 'reviews' } });
      assert.deepEqual([redirect.status, redirect.headers['location']], [301, 'http://reviews/new']);
    });

    test('a failing endpoint is avoided by the retry', async () => {
      let failures = 0;
      mesh.addWorkload(2, {
        handler: (_request, response) => {
          failures++;
          response.statusCode = 503;
          response.end('sorry');
        },
      });
      mesh.addWorkload(3, { handler: (_request, response) => response.end('ok') });
      route([forward(backendKey, { retry: { attempts: 3, retryOn: ['503'], ignorePrevious: true } })]);
      for (let index = 0; index < 10; index++)
        assert.equal((await mesh.get('/', { method: 'POST', body: 'replayed' })).body, 'ok');
      assert.ok(failures <= 10);
    });

    test('the last response is shown when retries are used up', async () => {
      let tries = 0;
      mesh.addWorkload(2, {
        handler: (_request, response) => {
          tries++;
          response.statusCode = 503;
          response.end('sorry');
        },
      });
      route([forward(backendKey, { retry: { attempts: 2, retryOn: ['5xx'] } })]);
      const response = await mesh.get('/');
      assert.deepEqual([response.status, response.body, tries], [503, 'sorry', 3]);
      assert.match(mesh.accessLines[0] ?? '', / 503 URX via_upstream /);
    });

    test('a connection that ends before the response is retried only where that is safe', async () => {
      let tries = 0;
      mesh.addWorkload(2, {
        handler: (request) => {
          tries++;
          request.socket.destroy();
        },
      });
      route([forward(backendKey, { retry: { attempts: 2, retryOn: ['reset'] } })]);
      const get = await mesh.get('/');
      assert.deepEqual([get.status, tries], [503, 3]);
      assert.match(get.body, /retried and the latest reset reason: connection termination$/);
      tries = 0;
      const post = await mesh.get('/', { method: 'POST', body: 'x' });
      assert.deepEqual([post.status, tries], [503, 1]);
      assert.match(
        mesh.accessLines[1] ?? '',
        / 503 UC upstream_reset_before_response_started\{connection_termination\} /,
      );
    });

    test('timeouts answer 504', async () => {
      mesh.addWorkload(2, { handler: () => undefined });
      route([forward(backendKey, { timeout: { seconds: 0n, nanos: 50_000_000 } })]);
      const response = await mesh.get('/');
      assert.deepEqual([response.status, response.body], [504, 'upstream request timeout']);
      assert.match(mesh.accessLines[0] ?? '', / 504 UT response_timeout /);
      route([
        forward(backendKey, { retry: { attempts: 1, retryOn: ['5xx'], perTry: { seconds: 0n, nanos: 30_000_000 } } }),
      ]);
      assert.equal((await mesh.get('/')).status, 504);
      assert.match(mesh.accessLines[1] ?? '', / 504 URX,UT upstream_per_try_timeout /);
    });

    test('silence longer than the idle timeout of the rule ends a request, before and inside its response', async () => {
      mesh.addWorkload(2, {
        handler: (request, response) => {
          if (request.url === '/headers') response.write('first');
          if (request.url === '/slow') {
            for (let index = 1; index <= 4; index++) setTimeout(() => response.write('.'), index * 40).unref();
            setTimeout(() => response.end('done'), 200).unref();
          }
        },
      });
      route([forward(backendKey, { idleTimeout: { seconds: 0n, nanos: 100_000_000 } })]);
      const response = await mesh.get('/');
      assert.deepEqual([response.status, response.body], [504, 'stream timeout']);
      assert.match(mesh.accessLines[0] ?? '', / 504 SI stream_idle_timeout /);
      await assert.rejects(mesh.get('/headers'));
      assert.match(mesh.accessLines[1] ?? '', / 200 SI stream_idle_timeout /);
      assert.equal((await mesh.get('/slow')).body, '....done');
    });

    test('direct responses and faults', async () => {
      mesh.addWorkload(2);
      route([
        {
          matches: [{ path: exact('/direct') }],
          action: { case: 'direct', value: { status: 418, body: new TextEncoder().encode('teapot') } },
        },
        forward(backendKey, { fault: { abortHttp: 555, abortPpm: 1_000_000 } }),
      ]);
      const direct = await mesh.get('/direct');
      assert.deepEqual([direct.status, direct.body], [418, 'teapot']);
      const fault = await mesh.get('/');
      assert.deepEqual([fault.status, fault.body], [555, 'fault filter abort']);
    });
  });

  describe('bodies', () => {
    test('large bodies stream both ways unchanged', async () => {
      mesh.addWorkload(2, {
        handler: (request, response) => {
          request.pipe(response);
        },
      });
      const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefghij');
      const response = await mesh.get('/', { method: 'POST', body });
      assert.equal(response.status, 200);
      assert.equal(response.body.length, body.length);
      assert.ok(response.body === body.toString());
    });

    test('trailers of chunked responses are relayed', async () => {
      mesh.addWorkload(2, {
        handler: (_request, response) => {
          response.writeHead(200, { trailer: 'x-t' });
          response.write('a');
          response.addTrailers({ 'x-t': 'v' });
          response.end();
        },
      });
      assert.equal((await mesh.get('/', { headers: { te: 'trailers' } })).trailers['x-t'], 'v');
      assert.deepEqual((await mesh.get('/')).trailers, {}, 'only for clients that ask for trailers');
    });

    test('HEAD and 204 have no body', async () => {
      mesh.addWorkload(2, {
        handler: (request, response) => {
          if (request.method !== 'HEAD') response.statusCode = 204;
          response.end();
        },
      });
      assert.equal((await mesh.get('/', { method: 'HEAD' })).status, 200);
      assert.equal((await mesh.get('/')).status, 204);
    });

    test('a client that leaves ends the try and is recorded once', async () => {
      const gone = Promise.withResolvers<void>();
      mesh.addWorkload(2, {
        handler: (request) => {
          request.socket.on('close', () => gone.resolve());
        },
      });
      const socket = tunnelSocket(await mesh.tunnel());
      const request = httpRequest({ path: '/', headers: { host: 'x' }, createConnection: () => socket });
      request.on('error', () => undefined);
      request.end();
      while (mesh.upstreamAuthorities.length === 0) await pause(1);
      await pause(20);
      request.destroy();
      await gone.promise;
      assert.equal(mesh.accessLines.length, 1);
      assert.match(mesh.accessLines[0] ?? '', / 0 DC downstream_remote_disconnect /);
    });

    test('a response that breaks off breaks off for the client too', async () => {
      mesh.addWorkload(2, {
        handler: (_request, response) => {
          response.writeHead(200, { 'content-length': '100' });
          response.write('0123456789', () => response.socket?.destroy());
        },
      });
      await assert.rejects(mesh.get('/'));
      while (mesh.accessLines.length === 0) await pause(1);
      assert.match(mesh.accessLines[0] ?? '', / 200 UPE upstream_reset_after_response_started/);
    });
  });

  describe('what the parser refuses', () => {
    const raw = async (bytes: string): Promise<string> => {
      const socket = tunnelSocket(await mesh.tunnel());
      let text = '';
      socket.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
      const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
      socket.on('end', () => socket.end());
      socket.write(Buffer.from(bytes, 'latin1'));
      await Promise.race([ended, pause(1000)]);
      socket.destroy();
      return text;
    };
    const cases: [string, string, number][] = [
      [
        'both lengths',
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
      ],
      ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
      ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n', 400],
      ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
      ['unknown transfer coding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
      ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', 426],
      ['fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
      ['encoded NUL', 'GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
      ['space before colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
      ['header too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
      ['too many headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(101)}\r\n`, 431],
      ['nominated forwarding header', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for, close\r\n\r\n', 400],
      ['CONNECT inside', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 404],
      ['no HTTP at all', '\u0001\u0002\u0003 hello\r\n\r\n', 400],
    ];
    for (const [name, bytes, status] of cases) {
      test(`${name}: ${status}`, async () => {
        mesh.addWorkload(2);
        assert.equal((await raw(bytes)).split(' ')[1], String(status));
        assert.deepEqual(mesh.upstreamAuthorities, []);
      });
    }
  });

  describe('websockets', () => {
    test('an upgrade becomes a pipe', async () => {
      mesh.addWorkload(2, {
        raw: (socket) => {
          socket.on('end', () => socket.end());
          socket.once('data', (head: Buffer) => {
            assert.match(head.toString(), /upgrade: websocket/i);
            socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
            socket.on('data', (piece: Buffer) => socket.write(`echo ${piece.toString()}`));
          });
        },
      });
      const socket = tunnelSocket(await mesh.tunnel());
      const request = httpRequest({
        path: '/ws',
        headers: { host: 'x', connection: 'Upgrade', upgrade: 'websocket' },
        createConnection: () => socket,
      });
      request.end();
      const upgraded = await new Promise<import('node:stream').Duplex>((resolve, reject) => {
        request.on('upgrade', (_response, duplex) => resolve(duplex));
        request.on('error', reject);
      });
      upgraded.write('one');
      const answer = await new Promise<Buffer>((resolve) => upgraded.once('data', resolve));
      assert.equal(answer.toString(), 'echo one');
      upgraded.destroy();
      while (mesh.accessLines.length === 0) await pause(1);
      assert.match(mesh.accessLines[0] ?? '', / 101 UC upstream_reset_after_response_started/);
    });
  });

  describe('CONNECT', () => {
    const status = async (authority: string): Promise<string> => {
      try {
        (await mesh.tunnel(authority)).close();
        return '200';
      } catch (error) {
        return String((error as { status?: number }).status);
      }
    };
    test('only what is served here is accepted', async () => {
      const workload = mesh.addWorkload(2);
      assert.equal(await status(`${VIP}:80`), '200');
      assert.equal(await status(`${HOSTNAME}:80`), '200');
      assert.equal(await status(`${VIP}:81`), '404');
      assert.equal(await status('10.96.0.99:80'), '404');
      assert.equal(await status('other.apps.svc.cluster.local:80'), '404');
      assert.equal(await status('127.0.0.2:8080'), '404', 'a workload that has no frontend here');
      assert.equal(await status('127.0.0.1:15000'), '404');
      mesh.configure({ frontends: { [workload.uid]: { workload: true, workloadUid: workload.uid } } });
      assert.equal(await status('127.0.0.2:8080'), '200');
      assert.equal((await mesh.get('/', { authority: '127.0.0.2:8080' })).body, 'hello from 127.0.0.2\n');
    });
  });
});
