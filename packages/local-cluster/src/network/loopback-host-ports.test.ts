import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { startLoopbackHostPorts } from './loopback-host-ports.ts';
import type { ServiceRoute } from './service-table.ts';

async function serverSaying(text: string): Promise<Server & AsyncDisposable> {
  const server = createServer((socket) => socket.end(text));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** What a connection hears; undefined when it is refused. */
async function heardAt(port: number): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function until(what: string, wanted: string | undefined, port: number): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while ((await heardAt(port)) !== wanted) assert.ok(Date.now() < deadlineMs, `${what}, in time`);
}

test('a host port leads to its pod, to the next one when that changes, and closes with it', async () => {
  await using first = await serverSaying('first');
  await using second = await serverSaying('second');
  const spare = await serverSaying('');
  const port = portOf(spare);
  await spare[Symbol.asyncDispose]();
  const routeTo = (server: Server): ServiceRoute => ({
    service: 'pod shop/web',
    portName: '',
    protocol: 'tcp',
    port,
    addresses: ['127.0.0.1'],
    nodePort: undefined,
    endpoints: [{ ip: '127.0.0.1', port: portOf(server) }],
    affinitySeconds: undefined,
  });
  let routes: ServiceRoute[] = [];
  let changed = (): void => undefined;
  const ports = startLoopbackHostPorts(
    { hostPorts: () => routes, onChange: (listener) => void (changed = listener) },
    'node-1',
    silentLogger,
  );
  routes = [routeTo(first), { ...routeTo(second), protocol: 'udp' }];
  changed();
  await until('the first pod', 'first', port);
  routes = [routeTo(second)];
  changed();
  await until('the second pod', 'second', port);
  routes = [];
  changed();
  await until('no pod', undefined, port);
  routes = [routeTo(first)];
  changed();
  await until('the first pod again', 'first', port);
  await ports.close();
  assert.equal(await heardAt(port), undefined);
});
