import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest } from '@ambit/runtime/admin';
import { silentLogger } from '@ambit/runtime/log';
import fc from 'fast-check';
import { NetnsCache } from '../enrol/netns-cache.ts';
import { UnprotectedConnections } from './connections.ts';
import { unprotectedRoutes } from './routes.ts';
import { viewOf } from './table.ts';
import { tableLine, tableOf } from './testing.ts';

const accepted = tableLine('10.0.0.1:8080', '10.0.0.2:40000', '01', 7);
const opened = tableLine('10.0.0.1:40001', '10.0.0.3:8080', '01', 8);
const listening = tableLine('0.0.0.0:8080', '0.0.0.0:0', '0A');

function setUp() {
  const cache = new NetnsCache();
  const workload = { name: 'web', namespace: 'shop', serviceAccount: 'web' };
  cache.put({
    uid: 'u1',
    workload,
    ips: ['10.0.0.1'],
    netns: { fd: 7, inode: 1n, close: () => undefined },
    capture: 'installed',
  });
  const unprotected = new UnprotectedConnections();
  let view = viewOf([tableOf(accepted, opened, listening)]);
  const { established } = view;
  unprotected.begin('u1', 1n, { connections: () => established, uncarried: () => established });
  const resets: string[] = [];
  const routes = unprotectedRoutes({
    cache,
    unprotected,
    log: silentLogger,
    onReset: () => undefined,
    reset: async (_netns, { remoteAddress }) => void resets.push(remoteAddress),
    look: () => view,
  });
  const ask = async (method: string, body = ''): Promise<{ status: number; body: string }> => {
    const answer = await routes['/unprotected']?.({ method, text: async () => body } as unknown as AdminRequest);
    assert.ok(answer !== undefined && typeof answer.body === 'string');
    return { status: answer.status ?? 200, body: answer.body };
  };
  const change = (...lines: readonly string[]): void => {
    view = viewOf([tableOf(...lines)]);
  };
  return { resets, ask, change };
}

test('only connections that the pod accepted are listed: the others are judged where they end', async () => {
  const { ask } = setUp();
  assert.deepEqual(JSON.parse((await ask('GET')).body), [
    {
      id: 'u1/0100000A:1F90>0200000A:9C40',
      workload: { name: 'web', namespace: 'shop', serviceAccount: 'web' },
      source: { ip: '10.0.0.2', port: 40000 },
      destination: { ip: '10.0.0.1', port: 8080 },
    },
  ]);
});

test('a denied connection is reset, an unknown id resets nothing', async () => {
  const { ask, resets } = setUp();
  const listed = JSON.parse((await ask('GET')).body) as { id: string }[];
  const answer = await ask('POST', JSON.stringify([{ id: listed[0]?.id, policy: 'shop/strict' }, { id: 'u1/none' }]));
  assert.equal(answer.body, '{"reset":1}');
  assert.deepEqual(resets, ['10.0.0.2']);
});

test('any body is answered, and what is no list is refused', async () => {
  const { ask, resets } = setUp();
  for (const body of ['', '{}', '[1]', '[{"id":1}]', 'null']) assert.equal((await ask('POST', body)).status, 400, body);
  await fc.assert(
    fc.asyncProperty(fc.string(), async (body) => {
      const answer = await ask('POST', body);
      assert.ok(answer.status === 400 || answer.body === '{"reset":0}');
    }),
  );
  assert.deepEqual(resets, []);
});

test('one that has ended is not reset when another one has its addresses', async () => {
  const { ask, resets, change } = setUp();
  const listed = JSON.parse((await ask('GET')).body) as { id: string }[];
  change(tableLine('10.0.0.1:8080', '10.0.0.2:40000', '01', 99), opened, listening);
  const answer = await ask('POST', JSON.stringify([{ id: listed[0]?.id, policy: 'shop/strict' }]));
  assert.deepEqual([answer.body, resets], ['{"reset":0}', []]);
});
