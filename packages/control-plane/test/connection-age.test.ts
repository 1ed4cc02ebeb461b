// Connections end at their age, so that clients spread over replicas; the client comes back by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  const listener = await listenGrpc('127.0.0.1', 0, undefined, (s) => xds.mount(s, { isTls: false }), 50, 50);
  using client = openRawClient(`127.0.0.1:${listener.port}`);
  client.send({ node: { id: 'ztunnel~10.0.0.1~z.ns~ns.svc.cluster.local' }, typeUrl: TYPE });
  assert.ok(await client.next());
  // A stream never ends by itself: the server ends it after the grace.
  assert.notEqual((await client.status).code, undefined);
  xds.close();
  listener.destroy();
});
