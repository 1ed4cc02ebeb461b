import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { testCa } from '@ambit/identity/testing';
import { checkOnce } from './probe.ts';
import type { ProbeTarget } from './probe.ts';

const target: ProbeTarget = {
  dial: (port) =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject);
    }),
  exec: (command) => Promise.resolve(Number(command[0])),
};
const container = (port: number): { name: string; ports: { name: string; containerPort: number }[] } => ({
  name: 'c',
  ports: [{ name: 'http', containerPort: port }],
});

async function serving(server: Server, body: (port: number) => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

test('statuses from 200 to 399 are healthy, others name the status', async () => {
  let status = 204;
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(`${request.url ?? ''} ${request.headers['x-a'] as string}`);
    response.writeHead(status).end();
  });
  await serving(server, async (port) => {
    const probe = { httpGet: { port: 'http', path: '/ready', httpHeaders: [{ name: 'X-A', value: 'b' }] } };
    await checkOnce(probe, container(port), target);
    status = 503;
    await assert.rejects(checkOnce(probe, container(port), target), /statuscode: 503/);
    assert.equal(paths[0], '/ready b');
    await assert.rejects(checkOnce({ httpGet: { port: 'nope' } }, container(port), target), /no port is named "nope"/);
    await checkOnce({ tcpSocket: { port } }, container(port), target);
  });
  await assert.rejects(checkOnce({ tcpSocket: { port: 1 } }, container(1), target));
});

test('an https probe takes any certificate', async () => {
  const ca = testCa();
  const certificate = await ca.issue('pod.test');
  const server = createSecureServer(
    { cert: certificate.certChainPem, key: certificate.privateKeyPem },
    (_request, response) => void response.end('ok'),
  );
  await serving(server, (port) => checkOnce({ httpGet: { port, scheme: 'HTTPS' } }, container(port), target));
});

test('a server that never answers is unhealthy after the timeout', async () => {
  await serving(
    createServer(() => undefined),
    async (port) => {
      await assert.rejects(
        checkOnce({ httpGet: { port }, timeoutSeconds: 1 }, container(port), target),
        /no answer within 1000 ms/,
      );
    },
  );
});

test('a command is healthy when it exits with 0', async () => {
  await checkOnce({ exec: { command: ['0'] } }, container(1), target);
  await assert.rejects(checkOnce({ exec: { command: ['3'] } }, container(1), target), /exited with 3/);
});

test('a gRPC probe asks the health service for one of its services, and names what it says', async () => {
  const asked: string[] = [];
  const sessions = new Set<{ destroy(): void }>();
  const server = createHttp2Server();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const service = Buffer.concat(chunks).subarray(7).toString();
      asked.push(`${headers[':path'] ?? ''} ${service}`);
      if (service === 'silent') return;
      const isKnown = service !== 'foreign';
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': isKnown ? '0' : '12' }));
      stream.end(isKnown ? Buffer.from([0, 0, 0, 0, 2, 8, service === 'ill' ? 2 : 1]) : undefined);
    });
  });
  await serving(server, async (port) => {
    const probe = (service?: string): { grpc: { port: number; service?: string } } => ({
      grpc: { port, ...(service !== undefined && { service }) },
    });
    await checkOnce(probe(), container(port), target);
    await checkOnce(probe('well'), container(port), target);
    assert.deepEqual(asked, ['/grpc.health.v1.Health/Check ', '/grpc.health.v1.Health/Check well']);
    await assert.rejects(checkOnce(probe('ill'), container(port), target), /responded with "NOT_SERVING"/);
    await assert.rejects(checkOnce(probe('foreign'), container(port), target), /does not implement the grpc health/);
    await assert.rejects(checkOnce(probe('silent'), container(port), target), /within 1000 ms/);
    for (const session of sessions) session.destroy();
  });
});
