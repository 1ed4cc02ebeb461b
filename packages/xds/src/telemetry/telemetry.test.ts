// Reporter, hub and service together, over real gRPC on loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientReadableStream,
  credentials,
  makeClientConstructor,
  Metadata,
  status as grpcStatus,
  type StatusObject,
} from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { test } from 'node:test';
import { grpcService } from '@ambit/proto/grpc';
import { Telemetry, type WatchRequest, WatchRequestSchema, type WatchResponse } from '@ambit/proto/telemetry';
import { silentLogger } from '@ambit/runtime/log';
import { XdsError } from '../errors.ts';
import type { Flow } from '../flow-buffer.ts';
import { startTestXdsServer } from '../testing/test-server.ts';
import { createFlowHub } from './hub.ts';
import { createFlowReporter } from './reporter.ts';
import { mountTelemetry, type TelemetryService, type TelemetryServiceOptions } from './service.ts';

const flow: Flow = {
  endedUnixMs: 1,
  durationMs: 2,
  direction: 'waypoint',
  source: { address: '10.0.0.1:1', workload: 'web', namespace: 'shop' },
  destination: { address: '10.0.0.2:80', namespace: 'shop' },
  mutualTls: true,
  bytesSent: 3,
  bytesReceived: 4,
  http: { method: 'GET', path: '/a', authority: 'b', status: 200 },
};

const TelemetryClient = makeClientConstructor(grpcService(Telemetry), 'Telemetry');

function watch(address: string, namespace = '') {
  const client = new TelemetryClient(address, credentials.createInsecure());
  const open = client['watch'] as (request: WatchRequest, metadata: Metadata) => ClientReadableStream<WatchResponse>;
  const call = open.call(client, create(WatchRequestSchema, { namespace, maxFlowsPerSecond: 100 }), new Metadata());
  call.on('error', () => undefined);
  const responses = call[Symbol.asyncIterator]() as AsyncIterator<WatchResponse>;
  return {
    call,
    next: async (): Promise<WatchResponse> => {
      const { value, done } = await responses.next();
      if (done === true) throw new Error('the stream is over');
      return value;
    },
    [Symbol.dispose]() {
      call.cancel();
      client.close();
    },
  };
}

/** How a call ends; listened for from now on. */
const statusOf = async (call: ClientReadableStream<WatchResponse>): Promise<StatusObject> =>
  new Promise((resolve) => void call.once('status', resolve));

async function start(more: Partial<TelemetryServiceOptions> = {}) {
  const hub = createFlowHub();
  let service: TelemetryService | undefined;
  const server = await startTestXdsServer([], {
    addServices: (grpc) => {
      service = mountTelemetry(grpc, {
        hub,
        admitReporter: async () => ({ namespace: undefined }),
        admitWatcher: async () => undefined,
        log: silentLogger,
        ...more,
      });
    },
  });
  return { hub, server, close: () => service?.close() };
}

const plaintext = async () => ({ roots: 'plaintext', headers: {} }) as const;

test('a proxy sends flows while a tool watches, and is told to stop when the tool leaves', async () => {
  const { server } = await start();
  await using _ = server;
  const limits: number[] = [];
  const changes = new EventTarget();
  const changed = async (limit: number): Promise<void> => {
    while (limits.at(-1) !== limit) await once(changes, 'limit');
  };
  const reporter = createFlowReporter({
    address: server.address,
    credentials: plaintext,
    name: 'ztunnel-1.istio-system',
    onLimit: (limit) => {
      limits.push(limit);
      changes.dispatchEvent(new Event('limit'));
    },
    log: silentLogger,
  });
  try {
    await changed(0);
    {
      using watcher = watch(server.address);
      assert.equal((await watcher.next()).reporters, 1);
      await changed(100);
      reporter.report({ flows: [flow], dropped: 5 });
      const { flows, dropped } = await watcher.next();
      assert.equal(dropped, 5);
      const [seen] = flows;
      assert.deepEqual(
        [seen?.reporter, seen?.source?.workload, seen?.bytesReceived, seen?.http?.path],
        ['ztunnel-1.istio-system', 'web', 4, '/a'],
      );
    }
    await changed(0);
  } finally {
    reporter.destroy();
  }
});

test('who may not watch is refused with the reason, at once or when the permission is taken away', async () => {
  let isAllowed = true;
  const { server, hub } = await start({
    recheckMs: 10,
    admitWatcher: async (_call, namespace) => {
      if (namespace === 'bank' || !isAllowed) throw new XdsError('ERR_XDS_PERMISSION_DENIED', 'not for you');
    },
  });
  await using _ = server;
  const refused = watch(server.address, 'bank');
  const status = await statusOf(refused.call);
  assert.deepEqual([status.code, status.details], [grpcStatus.PERMISSION_DENIED, 'not for you']);
  refused[Symbol.dispose]();
  using watcher = watch(server.address, 'shop');
  await watcher.next();
  assert.equal(hub.counts.watchers, 1);
  const ended = statusOf(watcher.call);
  isAllowed = false;
  assert.equal((await ended).code, grpcStatus.PERMISSION_DENIED);
  assert.equal(hub.counts.watchers, 0);
});

test('a reporter whose control plane does not know the service goes on quietly', async () => {
  await using server = await startTestXdsServer([]);
  const { promise, resolve } = Promise.withResolvers<number>();
  const reporter = createFlowReporter({
    address: server.address,
    credentials: plaintext,
    name: 'a',
    onLimit: resolve,
    log: silentLogger,
  });
  assert.equal(await promise, 0);
  reporter.report({ flows: [flow], dropped: 0 });
  reporter.destroy();
});
