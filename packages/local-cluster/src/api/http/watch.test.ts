// Watches as a client on the wire sees them: readers that stand still, writers that do not wait.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { type ApiServer, createApiServer } from '../api-server.ts';
import type { KubeObject } from '../../store/kube-object.ts';

const path = '/api/v1/namespaces/default/configmaps';

interface Session extends AsyncDisposable {
  readonly server: ApiServer;
  readonly client: ClientHttp2Session;
  readonly authorization: string;
  passMs(ms: number): void;
}

async function openSession(): Promise<Session> {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-watch-'));
  let passedMs = 0;
  const server = await createApiServer({ stateDir, log: silentLogger, now: () => Date.now() + passedMs });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = connect(`https://127.0.0.1:${port}`, { ca: server.caPem });
  client.on('error', () => undefined);
  return {
    server,
    client,
    authorization: `Bearer ${server.adminToken}`,
    passMs: (ms) => (passedMs += ms),
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await server.close();
      rmSync(stateDir, { recursive: true });
    },
  };
}

const map = (index: number, text: string): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `map-${index}`, namespace: 'default' },
    data: { text },
  }) as KubeObject;

async function openWatch({ client, authorization }: Session, query: string): Promise<ClientHttp2Stream> {
  const stream = client.request({ ':path': `${path}?watch=true${query}`, authorization });
  stream.on('error', () => undefined);
  await once(stream, 'response');
  return stream;
}

interface Seen {
  readonly name: string;
  readonly revision: string;
}

/** Reads whole events until the stream ends, or until `enough` says so. */
async function readEvents(stream: ClientHttp2Stream, enough?: (seen: readonly Seen[]) => boolean): Promise<Seen[]> {
  const seen: Seen[] = [];
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { metadata } = (JSON.parse(line) as { object: KubeObject }).object;
      seen.push({ name: metadata.name ?? '', revision: metadata.resourceVersion ?? '' });
    }
    if (enough?.(seen) === true) break;
  }
  if (enough === undefined) assert.equal(rest, '', 'the answer ends with a whole event');
  return seen;
}

test('a watch whose client does not read ends after a whole event, and from its revision nothing is missing', async () => {
  await using session = await openSession();
  const { objects } = session.server;
  const stream = await openWatch(session, '');
  // The client takes nothing: its windows fill with the first maps, the others wait in the server.
  for (let index = 0; index < 30; index += 1) {
    await objects.create('configmaps', map(index, 'x'.repeat(20_000)));
    await new Promise(setImmediate);
  }
  for (let index = 30; index < 1100; index += 1) await objects.create('configmaps', map(index, ''));
  session.passMs(6000);
  await objects.create('configmaps', map(1100, ''));

  const before = await readEvents(stream);
  assert.ok(before.length < 1101, 'the watch ended before the last event');
  const again = await openWatch(session, `&resourceVersion=${before.at(-1)?.revision ?? '1'}`);
  const after = await readEvents(again, (seen) => seen.at(-1)?.name === 'map-1100');
  const names = [...before, ...after].map(({ name }) => name).filter((name) => name.startsWith('map-'));
  assert.deepEqual(
    names,
    Array.from({ length: 1101 }, (_, index) => `map-${index}`),
  );
});

test('thousands of writes sent at once on one connection reach a watch on another, which goes on', async () => {
  await using session = await openSession();
  const watch = await openWatch(session, '');
  const writer = connect(
    `https://${String(session.client.socket?.remoteAddress)}:${session.client.socket?.remotePort}`,
    {
      ca: session.server.caPem,
    },
  );
  const total = 2500;
  const answers = Array.from({ length: total }, async (_, index) => {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/json' };
    const stream = writer.request({ ...headers, authorization: session.authorization });
    stream.end(JSON.stringify(map(index, '')));
    const [answer] = (await once(stream, 'response')) as [{ ':status'?: number }];
    stream.resume();
    return answer[':status'];
  });
  const count = (seen: readonly Seen[]): number => seen.filter(({ name }) => name.startsWith('map-')).length;
  const seen = await readEvents(watch, (events) => count(events) === total);
  assert.equal(new Set(seen.map(({ revision }) => revision)).size, seen.length, 'every event once');
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([201]));
  writer.destroy();
});
