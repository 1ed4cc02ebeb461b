// Sessions, global rate limits, tracing and baggage through a real data plane, with services on loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
  RateLimitResponse_Code,
  RateLimitResponseSchema,
} from '@ambit/proto/rate-limit';
import { type ExportTraceServiceRequest, ExportTraceServiceRequestSchema } from '@ambit/proto/trace';
import { Backend_Kind, SessionPersistence_Type } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const tableKey = `${frontendKey}:80`;
const backendKey = `${frontendKey}/80`;
const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';

describe('services around a request', () => {
  let mesh: TestMesh;
  let seen: IncomingHttpHeaders = {};
  let questions: RateLimitRequest[] = [];
  let exported: ExportTraceServiceRequest[] = [];
  let zipkin: string[] = [];
  let isOver = false;

  const grpc = createHttp2Server();
  grpc.on('stream', (stream: ServerHttp2Stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      const bytes = Buffer.concat(pieces).subarray(5);
      let message: Uint8Array = new Uint8Array();
      if (String(headers[':path']).endsWith('/ShouldRateLimit')) {
        questions.push(fromBinary(RateLimitRequestSchema, bytes));
        const overallCode = isOver ? RateLimitResponse_Code.OVER_LIMIT : RateLimitResponse_Code.OK;
        message = toBinary(
          RateLimitResponseSchema,
          create(RateLimitResponseSchema, {
            overallCode,
            responseHeadersToAdd: [{ key: 'X-Plan', value: 'free' }],
            statuses: [
              { currentLimit: { requestsPerUnit: 10 }, limitRemaining: 3, durationUntilReset: { seconds: 7n } },
            ],
          }),
        );
      } else exported.push(fromBinary(ExportTraceServiceRequestSchema, bytes));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.byteLength, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([head, message]));
    });
  });
  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      zipkin.push(body);
      response.writeHead(202).end();
    });
  });

  const at = (port: number) => ({
    hostname: 'service.example',
    kind: Backend_Kind.STATIC,
    endpoints: [{ address: '127.0.0.1', port }],
  });
  const configure = (route: object, policies: readonly string[] = []): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: tableKey }],
          policies: policies.map((policy) => ({ policy, failClosedIfMissing: true })),
        },
      },
      routeTables: {
        [tableKey]: {
          gatewaySemantics: true,
          routes: [
            {
              name: 'r',
              action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } },
              ...route,
            },
          ],
        },
      },
    } as never);

  before(async () => {
    mesh = await startTestMesh();
    for (const server of [grpc, http]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    for (const n of [2, 3, 4]) {
      mesh.addWorkload(n, {
        handler: (request, response) => {
          seen = request.headers;
          response.end(`workload ${n}`);
        },
      });
    }
    mesh.configure({
      backends: { grpc: at((grpc.address() as AddressInfo).port), http: at((http.address() as AddressInfo).port) },
    });
  });
  after(() => {
    mesh.close();
    grpc.close();
    http.close();
  });

  test('a session cookie leads back to the workload that gave it', async () => {
    configure({ session: { type: SessionPersistence_Type.COOKIE, name: 'where' } });
    const first = await mesh.get('/');
    const cookie = String(first.headers['set-cookie']);
    assert.match(cookie, /^where=[^;]+; Path=\/; HttpOnly$/);
    for (let count = 0; count < 12; count++) {
      const again = await mesh.get('/', { headers: { cookie: `a=b; ${cookie.split(';')[0] ?? ''}` } });
      assert.equal(again.body, first.body);
      assert.equal(again.headers['set-cookie'], undefined, 'the client knows already');
    }
    const forged = await mesh.get('/', { headers: { cookie: 'where=x.y.1.1' } });
    assert.equal(forged.status, 200);
    assert.match(String(forged.headers['set-cookie']), /^where=/);
  });

  test('a session in a header ends with its absolute time', async () => {
    const session = { type: SessionPersistence_Type.HEADER, name: 'X-Where', absolute: { seconds: 3600n, nanos: 0 } };
    configure({ session });
    const first = await mesh.get('/');
    const token = String(first.headers['x-where']);
    const again = await mesh.get('/', { headers: { 'x-where': token } });
    assert.equal(again.body, first.body);
    const [backend, endpoint, , used] = token.split('.');
    const old = `${backend ?? ''}.${endpoint ?? ''}.1.${used ?? ''}`;
    const late = await mesh.get('/', { headers: { 'x-where': old } });
    assert.notEqual(late.headers['x-where'], undefined, 'a session that is over begins anew');
  });

  test('a session ends with its destination', async () => {
    const targets = (weight: number) => ({
      action: {
        case: 'forward',
        value: {
          targets: [
            { backend: backendKey, weight },
            { backend: 'http', weight: 1 - weight },
          ],
        },
      },
      session: { type: SessionPersistence_Type.COOKIE, name: 'where' },
    });
    configure(targets(1));
    const first = await mesh.get('/');
    const cookie = String(first.headers['set-cookie']).split(';')[0] ?? '';
    configure(targets(0));
    const moved = await mesh.get('/', { headers: { cookie } });
    assert.equal(moved.status, 202, 'the other destination answers');
  });

  test('a rate limit service is asked, and its word counts', async () => {
    const limit = {
      backend: 'grpc',
      domain: 'shop',
      rateHeaders: true,
      timeout: { seconds: 5n, nanos: 0 },
      actions: [
        { source: { case: 'requestHeader' as const, value: 'x-user' }, key: 'user' },
        { source: { case: 'method' as const, value: true } },
      ],
    };
    mesh.configure({ policies: { limit: { body: { case: 'globalRateLimit', value: limit } } } });
    configure({}, ['limit']);
    questions = [];
    const passed = await mesh.get('/', { headers: { 'x-user': 'ann' } });
    assert.equal(passed.status, 200);
    assert.equal(passed.headers['x-plan'], 'free');
    assert.equal(passed.headers['x-ratelimit-remaining'], '3');
    assert.equal(questions[0]?.domain, 'shop');
    assert.deepEqual(
      questions[0]?.descriptors[0]?.entries.map(({ key, value }) => [key, value]),
      [
        ['user', 'ann'],
        ['method', 'GET'],
      ],
    );
    assert.equal((await mesh.get('/')).status, 200);
    assert.equal(questions.length, 1, 'without an entry of the descriptor nothing is asked');
    isOver = true;
    const refused = await mesh.get('/', { headers: { 'x-user': 'ann' } });
    isOver = false;
    assert.deepEqual([refused.status, refused.headers['x-envoy-ratelimited']], [429, 'true']);
    assert.match(mesh.accessLines.at(-1) ?? '', / 429 RL request_rate_limited /);
  });

  test('a rate limit service that is away lets requests pass, or not, as the policy says', async () => {
    const limit = (denyOnError: boolean) => ({
      backend: 'nowhere',
      domain: 'shop',
      denyOnError,
      actions: [{ source: { case: 'method' as const, value: true } }],
    });
    for (const [denies, status] of [
      [false, 200],
      [true, 500],
    ] as const) {
      mesh.configure({ policies: { limit: { body: { case: 'globalRateLimit', value: limit(denies) } } } });
      configure({}, ['limit']);
      assert.equal((await mesh.get('/')).status, status);
    }
    assert.match(mesh.accessLines.at(-1) ?? '', / 500 RLSE rate_limiter_error /);
  });

  const tracingWith = (value: object): void => {
    mesh.configure({
      proxy: { trustDomain: 'cluster.local', providers: [{ name: 't', body: { case: 'tracing', value } }] },
    } as never);
    configure({});
  };
  const until = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) await pause(5);
  };

  test('a trace goes on to the workload, and its span to an OTLP collector', { timeout: 20_000 }, async () => {
    tracingWith({ backend: 'grpc', samplingPercent: 0 });
    exported = [];
    await mesh.get('/a?b', { headers: { traceparent: `00-${trace}-${span}-01` } });
    const passedOn = String(seen['traceparent']).split('-');
    assert.equal(passedOn[1], trace);
    assert.notEqual(passedOn[2], span, 'the workload is called by our span');
    await mesh.get('/', { headers: { traceparent: `00-${trace}-${span}-00` } });
    await until(() => exported.length > 0);
    const spans = exported[0]?.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    assert.equal(spans.length, 1, 'the caller did not want the second one');
    const [sent] = spans;
    assert.equal(Buffer.from(sent?.spanId ?? []).toString('hex'), passedOn[2]);
    assert.equal(Buffer.from(sent?.parentSpanId ?? []).toString('hex'), span);
    assert.equal(sent?.name, `${HOSTNAME}:80/*`);
    const tag = (key: string) => sent?.attributes.find((attribute) => attribute.key === key)?.value?.value.value;
    assert.equal(tag('http.status_code'), '200');
    assert.equal(tag('istio.source_namespace'), 'clients');
  });

  test('spans have the tags that users ask for', { timeout: 20_000 }, async () => {
    const tags = {
      tier: { source: { case: 'literal' as const, value: 'gold' } },
      tenant: { source: { case: 'header' as const, value: 'X-Tenant' }, defaultValue: 'nobody' },
      absent: { source: { case: 'header' as const, value: 'x-absent' } },
      code: { source: { case: 'formatter' as const, value: 'code %RESPONSE_CODE%' } },
      home: { source: { case: 'environment' as const, value: 'HOME' }, defaultValue: 'unknown' },
    };
    tracingWith({ backend: 'grpc', samplingPercent: 100 });
    mesh.configure({ policies: { tagged: { body: { case: 'telemetry', value: { tracing: { tags } } } } } });
    configure({}, ['tagged']);
    exported = [];
    await mesh.get('/', { headers: { 'x-tenant': 'ann', traceparent: `00-${trace}-${span}-01` } });
    await until(() => exported.length > 0);
    const [sent] = exported[0]?.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    const tag = (key: string) => sent?.attributes.find((attribute) => attribute.key === key)?.value?.value.value;
    assert.deepEqual(['tier', 'tenant', 'absent', 'code', 'home', 'istio.source_namespace'].map(tag), [
      'gold',
      'ann',
      undefined,
      'code 200',
      'unknown',
      undefined,
    ]);
  });

  test('a Zipkin collector gets JSON, and the workload B3', { timeout: 20_000 }, async () => {
    tracingWith({ backend: 'http', zipkin: true, samplingPercent: 100 });
    zipkin = [];
    await mesh.get('/');
    await until(() => zipkin.length > 0);
    const [sent] = JSON.parse(zipkin[0] ?? '[]') as { traceId: string; kind: string; id: string }[];
    assert.equal(sent?.traceId, seen['x-b3-traceid']);
    assert.equal(sent?.id, seen['x-b3-spanid']);
    assert.equal(sent?.kind, 'SERVER');
  });
});
