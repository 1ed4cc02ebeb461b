// What a connection may cost: it ends at its age, so that clients spread over replicas, and its messages have a limit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { silentLogger } from '@ambit/runtime/log';
import { createResourceTable, createXdsServer } from '@ambit/xds/server';
import { openRawClient } from '@ambit/xds/testing';
import { readConfig } from '../src/index.ts';
import { listenGrpc } from '../src/listen.ts';

const TYPE = 'type.googleapis.com/test.Text';

test('the age comes from the argument that the chart passes, and none means for ever', () => {
  assert.equal(readConfig({}, ['discovery', '--keepaliveMaxServerConnectionAge', '30m']).maxConnectionAgeMs, 1_800_000);
  assert.equal(readConfig({}, ['discovery']).maxConnectionAgeMs, undefined);
});

test('a stream on a connection that has reached its age is ended', async () => {
  const xds = createXdsServer({
    sources: [createResourceTable(TYPE)],
    authenticate: () => undefined,
    log: silentLogger,
  });
  const listener = await listenGrpc('127.0.0.1', 0, undefined, (s) => xds.mount(s, { isTls: false }), {
    maxConnectionAgeMs: 50,
    graceMs: 50,
  });
  using client = openRawClient(`127.0.0.1:${listener.port}`);
  client.send({ node: { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local' }, typeUrl: TYPE });
  assert.ok(await client.next());
  // A stream never ends by itself: the server ends it after the grace.
  assert.notEqual((await client.status).code, undefined);
  xds.close();
  listener.destroy();
});

test('a message over the limit ends its stream with RESOURCE_EXHAUSTED, one below is answered', async () => {
  const { ISTIO_GPRC_MAXRECVMSGSIZE: maxMessageBytes } = readConfig({ ISTIO_GPRC_MAXRECVMSGSIZE: '65536' });
  const xds = createXdsServer({
    sources: [createResourceTable(TYPE)],
    authenticate: () => undefined,
    log: silentLogger,
  });
  const listener = await listenGrpc('127.0.0.1', 0, undefined, (s) => xds.mount(s, { isTls: false }), {
    maxMessageBytes,
  });
  const node = { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local' };
  using small = openRawClient(`127.0.0.1:${listener.port}`);
  small.send({ node, typeUrl: TYPE, resourceNamesSubscribe: ['x'.repeat(1000)] });
  assert.ok(await small.next());
  using large = openRawClient(`127.0.0.1:${listener.port}`);
  large.send({ node, typeUrl: TYPE, initialResourceVersions: { ['x'.repeat(100_000)]: '1' } });
  assert.equal((await large.status).code, status.RESOURCE_EXHAUSTED);
  xds.close();
  listener.destroy();
});
