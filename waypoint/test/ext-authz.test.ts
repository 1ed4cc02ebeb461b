// External authorization through a real data plane, with services over HTTP and gRPC on loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type CheckRequest, CheckRequestSchema, CheckResponseSchema } from '@ambit/proto/ext-authz';
import type { ExtAuthzSchema } from '@ambit/proto/waypoint';
import { Backend_Kind } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });

interface Question {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('external authorization', () => {
  let mesh: TestMesh;
  let backendSaw: { url: string | undefined; headers: IncomingHttpHeaders; body: string } | undefined;
  let asked: Question[] = [];
  let status = 200;
  let grpcAsked: CheckRequest[] = [];
  let grpcAnswer: MessageInitShape<typeof CheckResponseSchema> = { status: {} };

  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      asked.push({ url: request.url ?? '', headers: request.headers, body });
      if (status === 0) return; // never answers
      response.writeHead(status, { 'x-user': 'ann', 'x-reason': 'because' });
      response.end(status === 200 ? '' : 'not today');
    });
  });
  const grpc = createHttp2Server();
  grpc.on('stream', (stream: ServerHttp2Stream) => {
    const pieces: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      grpcAsked.push(fromBinary(CheckRequestSchema, Buffer.concat(pieces).subarray(5)));
      const message = toBinary(CheckResponseSchema, create(CheckResponseSchema, grpcAnswer));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.byteLength, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([head, message]));
    });
  });

  const staticBackend = (port: number) => ({
    hostname: 'authz.example',
    kind: Backend_Kind.STATIC,
    endpoints: [{ address: '127.0.0.1', port }],
  });
  const provider = (value: MessageInitShape<typeof ExtAuthzSchema>) =>
    mesh.configure({
      proxy: { trustDomain: 'cluster.local', providers: [{ name: 'gate', body: { case: 'extAuthz', value } }] },
    });

  before(async () => {
    mesh = await startTestMesh();
    for (const server of [http, grpc]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    mesh.addWorkload(2, {
      handler: (request, response) => {
        let body = '';
        request.on('data', (piece: Buffer) => (body += piece.toString()));
        request.on('end', () => {
          backendSaw = { url: request.url, headers: request.headers, body };
          response.end('hello');
        });
      },
    });
    mesh.configure({
      backends: {
        http: staticBackend((http.address() as AddressInfo).port),
        grpc: staticBackend((grpc.address() as AddressInfo).port),
        nobody: { ...staticBackend(1), endpoints: [] },
      },
      policies: {
        ask: {
          meta: { namespace: 'apps', name: 'ask' },
          body: {
            case: 'authz',
            value: { action: 3, provider: 'gate', rules: [{ to: [{ notPaths: [exact('/public')] }] }] },
          },
        },
      },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey }],
          policies: [{ policy: 'ask', failClosedIfMissing: true }],
        },
      },
    });
  });
  after(() => {
    mesh.close();
    http.closeAllConnections();
    http.close();
    grpc.close();
  });

  test('without its provider the policy denies', async () => {
    assert.equal((await mesh.get('/')).status, 403);
  });

  test('200 lets the request through, with headers of the service; paths outside the rules are not asked about', async () => {
    provider({ backend: 'http', pathPrefix: '/check', upstreamHeaders: [exact('x-user')] });
    status = 200;
    asked = [];
    assert.equal((await mesh.get('/a?b=1', { headers: { 'x-user': 'forged' } })).status, 200);
    assert.equal(asked[0]?.url, '/check/a?b=1');
    assert.equal(backendSaw?.headers['x-user'], 'ann');
    assert.equal((await mesh.get('/public')).status, 200);
    assert.equal(asked.length, 1);
  });

  test('a denial is passed on with its flag', async () => {
    provider({ backend: 'http' });
    status = 401;
    const response = await mesh.get('/');
    assert.deepEqual([response.status, response.body, response.headers['x-reason']], [401, 'not today', 'because']);
    assert.match(mesh.accessLines.at(-1) ?? '', / 401 UAEX ext_authz_denied /);
  });

  test('failures deny, unless the provider fails open', async () => {
    for (const [code, backend] of [
      [500, 'http'],
      [0, 'http'],
      [200, 'nobody'],
      [200, 'unknown'],
    ] as const) {
      status = code;
      const timeout = { seconds: 0n, nanos: 100_000_000 };
      provider({ backend, timeout, statusOnError: 418 });
      const response = await mesh.get('/');
      assert.deepEqual([response.status, response.body], [418, ''], `${code} ${backend}`);
      assert.match(mesh.accessLines.at(-1) ?? '', / 418 UAEX ext_authz_error /);
      provider({ backend, timeout, failOpen: true });
      assert.equal((await mesh.get('/')).status, 200);
    }
  });

  test('the body goes to the service and to the backend', async () => {
    status = 200;
    asked = [];
    const post = (body: string) => mesh.get('/', { method: 'POST', body });
    provider({ backend: 'http', bodyMax: 100_000 });
    assert.equal((await post('x'.repeat(90_000))).status, 200);
    assert.equal(asked[0]?.body.length, 90_000);
    assert.equal(backendSaw?.body.length, 90_000);
    assert.deepEqual([(await post('x'.repeat(300_000))).status, asked.length], [413, 1]);
    provider({ backend: 'http', bodyMax: 10, partial: true });
    assert.equal((await post('y'.repeat(300_000))).status, 200);
    assert.equal(asked[1]?.body, 'yyyyyyyyyy');
    assert.equal(asked[1]?.headers['x-envoy-auth-partial-body'], 'true');
    assert.equal(backendSaw?.body.length, 300_000);
  });

  test('gRPC services allow, deny and edit', async () => {
    provider({ backend: 'grpc', grpc: true });
    grpcAsked = [];
    grpcAnswer = {
      status: {},
      httpResponse: { case: 'okResponse', value: { headers: [{ header: { key: 'x-user', value: 'bob' } }] } },
    };
    assert.equal((await mesh.get('/a')).status, 200);
    assert.equal(backendSaw?.headers['x-user'], 'bob');
    assert.equal(grpcAsked[0]?.attributes?.source?.principal, 'spiffe://cluster.local/ns/clients/sa/client');
    assert.equal(grpcAsked[0]?.attributes?.request?.http?.path, '/a');
    grpcAnswer = { status: { code: 7 }, httpResponse: { case: 'deniedResponse', value: { body: 'no' } } };
    const denied = await mesh.get('/a');
    assert.deepEqual([denied.status, denied.body], [403, 'no']);
  });
});
