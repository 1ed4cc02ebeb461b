// The admin pages are on every loopback address that the machine has, and on none when one is taken.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { type AdminInput, listenOnLoopback } from './server.ts';

const input: AdminInput = {
  configDump: async () => '{}',
  logging: () => ({}),
  shutdown: () => undefined,
  pprof: {},
  log: silentLogger,
};
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('both loopback addresses answer where there is IPv6', { skip: hasIpv6 ? false : 'no ::1' }, async () => {
  const port = await freePort();
  const servers = await listenOnLoopback(input, { hosts: ['127.0.0.1', '::1'], port });
  try {
    for (const host of ['127.0.0.1', '[::1]'])
      assert.equal(
        (await fetch(`http://${host}:${port}/config_dump`, { headers: { connection: 'close' } })).status,
        200,
      );
  } finally {
    for (const server of servers) server.destroy();
  }
});

test('an IPv6 address that the machine does not have is left out', async () => {
  const servers = await listenOnLoopback(input, { hosts: ['127.0.0.1', '2001:db8::1'], port: await freePort() });
  assert.equal(servers.length, 1);
  for (const server of servers) server.destroy();
});

test('a port in use on any of them is a failure, and nothing listens then', async () => {
  const taken = createServer();
  const host = hasIpv6 ? '::1' : '127.0.0.1';
  await once(taken.listen(0, host), 'listening');
  const { port } = taken.address() as { port: number };
  const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  await assert.rejects(listenOnLoopback(input, { hosts, port }), { code: 'EADDRINUSE' });
  taken.close();
  if (hasIpv6) await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});
