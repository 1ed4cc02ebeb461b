// A DNS socket that is handed over: what was sent to it is answered, what is sent later goes to the next generation.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { bindUdp, isNativeAvailable } from '@ambit/net';
import { createDrain } from '@ambit/runtime/drain';
import { silentLogger } from '@ambit/runtime/log';
import type { PodContext } from '../threads/pod-context.ts';
import { serveDnsUdp } from './server.ts';

const skip = isNativeAvailable() ? false : 'needs native sockets';
const address = '127.81.0.1';
const QUERIES = 20;
/** Asks for something that is not implemented (opcode 5): the answer needs no state. */
const query = Buffer.from([0x12, 0x34, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);

/** Another thread's clients, so that queries can wait while this thread does not read. */
const clients = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { createSocket } = require('node:dgram');
  const { port, address, query, count, sent } = workerData;
  let answered = 0;
  let sending = count;
  for (let index = 0; index < count; index += 1) {
    const socket = createSocket('udp4');
    socket.on('message', () => {
      socket.close();
      answered += 1;
      if (answered === count) parentPort.postMessage(answered);
    });
    socket.send(query, port, address, () => {
      sending -= 1;
      if (sending > 0) return;
      Atomics.store(sent, 0, 1);
      Atomics.notify(sent, 0);
    });
  }
`;

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** The clients end with the test, also when it fails: a thread that waits for answers would hold the process for ever. */
function ask(t: TestContext, port: number): { readonly worker: Worker; readonly sent: Int32Array } {
  const sent = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(clients, {
    eval: true,
    workerData: { port, address, query: new Uint8Array(query), count: QUERIES, sent },
  });
  t.after(async () => worker.terminate());
  return { worker, sent };
}

function serve(port: number): { readonly context: PodContext; readonly listener: ReturnType<typeof serveDnsUdp> } {
  const context = { drain: createDrain(), log: silentLogger } as unknown as PodContext;
  const fd = bindUdp({ kind: 'loopback', address }, { port, address, reusePort: true });
  return { context, listener: serveDnsUdp(context, fd, 4) };
}

test(
  'queries that wait in the socket when its pod drains are answered, and the drain waits for them',
  { skip },
  async (t) => {
    const port = await freePort();
    const { context, listener } = serve(port);
    t.after(() => listener.destroy());
    const { worker, sent } = ask(t, port);
    assert.notEqual(Atomics.wait(sent, 0, 0, 20_000), 'timed-out');
    listener.close();
    const [answered] = (await once(worker, 'message', { signal: AbortSignal.timeout(30_000) })) as [number];
    assert.equal(answered, QUERIES);
    assert.equal(await context.drain.start('graceful', 10_000), 'drained');
  },
);

test('queries sent after the drain began go to the next generation', { skip }, async (t) => {
  const port = await freePort();
  const { listener } = serve(port);
  t.after(() => listener.destroy());
  const next = createSocket('udp4');
  let taken = 0;
  next.on('message', (_bytes, from) => {
    taken += 1;
    next.send('answer', from.port, from.address);
  });
  t.after(() => next.close());
  next.bind({ fd: bindUdp({ kind: 'loopback', address }, { port, address, reusePort: true }) });
  listener.close();
  const { worker } = ask(t, port);
  const [answered] = (await once(worker, 'message', { signal: AbortSignal.timeout(30_000) })) as [number];
  assert.equal(answered, QUERIES);
  assert.equal(taken, QUERIES);
});

test('a pod that is gone ends its socket at once, and an answer that comes later is dropped', { skip }, async () => {
  const { context, listener } = serve(await freePort());
  listener.close();
  listener.destroy();
  listener.destroy();
  assert.equal(await context.drain.start('graceful', 10_000), 'drained');
});
