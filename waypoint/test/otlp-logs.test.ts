// Access logs for a collector, through a real data plane: what arrives, and what a collector that hangs costs (spec/waypoint.md 7.3).
import assert from 'node:assert/strict';
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { type ExportLogsServiceRequest, ExportLogsServiceRequestSchema } from '@ambit/proto/logs';
import { silentLogger } from '@ambit/runtime/log';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';
import { BatchQueue } from '../src/telemetry/batch-queue.ts';

const frontendKey = `apps/${HOSTNAME}`;
const workloadUid = (n: number): string => `cluster//Pod/apps/reviews-${n}`;

describe('access logs by OTLP', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh({ accessLog: 'mesh' });
    mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
  });
  afterEach(() => mesh.close());

  /** A collector in the mesh, at its own subset of the service. */
  const collector = (answer: (stream: ServerHttp2Stream, bytes: Buffer) => void): void => {
    const raw = (socket: Duplex): void => {
      const session = performServerHandshake(socket);
      session.on('error', () => undefined);
      session.on('stream', (stream) => {
        const pieces: Buffer[] = [];
        stream.on('error', () => undefined);
        stream.on('data', (piece: Buffer) => pieces.push(piece));
        stream.on('end', () => answer(stream, Buffer.concat(pieces)));
      });
    };
    mesh.addWorkload(3, { raw });
    const backend = { hostname: HOSTNAME, port: 80, serviceNamespace: 'apps', serviceName: 'reviews' };
    mesh.configure({
      proxy: {
        trustDomain: 'cluster.local',
        providers: [
          {
            name: 'otel',
            body: {
              case: 'accessLog',
              value: {
                otlpBackend: 'collector',
                otlpLogName: 'mesh-log',
                textFormat: '%REQ(:METHOD)% %RESPONSE_CODE%',
                jsonFields: { code: '%RESPONSE_CODE%', agent: '%REQ(USER-AGENT)%' },
              },
            },
          },
        ],
      },
      backends: {
        [`${frontendKey}/80`]: { ...backend, protocol: 1, subset: 'app', members: [workloadUid(2)] },
        collector: { ...backend, protocol: 3, subset: 'collector', members: [workloadUid(3)] },
      },
    });
  };

  test('a record has the text, the labels with their types, and the name of the log', async () => {
    const arrived = Promise.withResolvers<ExportLogsServiceRequest>();
    collector((stream, bytes) => {
      arrived.resolve(fromBinary(ExportLogsServiceRequestSchema, bytes.subarray(5)));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
    assert.equal((await mesh.get('/', { headers: { 'user-agent': 'tester' } })).body, 'ok');
    assert.deepEqual(mesh.accessLines, [], 'nothing on standard output');
    const [resource] = (await arrived.promise).resourceLogs;
    assert.equal(resource?.resource?.attributes[0]?.value?.value.value, 'mesh-log');
    const [log] = resource?.scopeLogs[0]?.logRecords ?? [];
    assert.equal(log?.body?.value.value, 'GET 200');
    assert.deepEqual(
      log?.attributes.map(({ key, value }) => [key, value?.value.value]),
      [
        ['agent', 'tester'],
        ['code', 200n],
      ],
    );
    assert.ok((log?.timeUnixNano ?? 0n) > 0n);
  });

  test('requests do not wait for a collector that never answers', async () => {
    collector(() => undefined);
    for (let index = 0; index < 20; index++) assert.equal((await mesh.get('/')).body, 'ok');
  });
});

test('a full queue drops and counts, and goes on when the collector does', async () => {
  let dropped = 0;
  const sent: number[] = [];
  let release = (): void => undefined;
  const queue = new BatchQueue<number, string>({
    send: (items) => {
      sent.push(items.length);
      return new Promise((resolve) => {
        release = resolve;
      });
    },
    onDropped: (count) => {
      dropped += count;
    },
    waitMs: 1000,
    what: 'numbers',
    log: silentLogger,
  });
  for (let index = 0; index < 10_000; index++) queue.add(index, 'a');
  assert.deepEqual([sent, dropped], [[512], 10_000 - 512 - 2048]);
  const done = queue.flush();
  for (let index = 0; index < 5; index++) {
    release();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  assert.deepEqual(sent, [512, 512, 512, 512, 512]);
});

test('a batch that the collector refuses is dropped and counted', async () => {
  let dropped = 0;
  const queue = new BatchQueue<number, string>({
    send: () => Promise.reject(new Error('no')),
    onDropped: (count) => {
      dropped += count;
    },
    waitMs: 1000,
    what: 'numbers',
    log: silentLogger,
  });
  queue.add(1, 'a');
  await queue.flush();
  assert.equal(dropped, 1);
});
