// What the contract suite cannot say of TCP endpoints: that a sender who is faster than we are leaves others their turn, and that
// those that wait hold no memory and never get each other's bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { AGAIN, type Endpoint, EOF } from './endpoint.ts';
import { listenIn } from './listener.ts';
import { fullBlocks, Region, smallBlocks } from './region.ts';
import { hostDomain } from './socket-domain.ts';
import { collect, readSome, send } from './testing/drive.ts';
import { socketPair } from './testing/socket-pair.ts';

const SENT_BYTES = 32 * 1024 * 1024;
/** What one turn may take, and the block that passes that mark. */
const MAX_TURN_BYTES = (1024 + 256) * 1024;
/** Time in which the sender fills the kernel's buffer again. */
const SLOWNESS_MS = 3;

const SENDER = `
  const { workerData } = require('node:worker_threads');
  const socket = require('node:net').connect(workerData.port, '127.0.0.1');
  socket.end(Buffer.alloc(workerData.bytes));
`;

test('a sender who is faster than its reader is read a megabyte per turn of the event loop', async () => {
  const { promise: accepted, resolve } = Promise.withResolvers<Endpoint>();
  const listener = await listenIn(hostDomain, { port: 0, address: '127.0.0.1' }, { onConnection: resolve });
  await using _sender = new Worker(SENDER, {
    eval: true,
    workerData: { port: listener.address.port, bytes: SENT_BYTES },
  });
  const endpoint = await accepted;
  listener.close();
  let [total, inTurn, most] = [0, 0, 0];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const onTurn = (): void => {
    most = Math.max(most, inTurn);
    inTurn = 0;
    if (total < SENT_BYTES) setImmediate(onTurn);
  };
  setImmediate(onTurn);
  endpoint.onReadable = () => {
    for (let region = endpoint.read(); region !== AGAIN; region = endpoint.read()) {
      if (region === EOF) return end();
      total += region.length;
      inTurn += region.length;
      region.release();
      const until = performance.now() + SLOWNESS_MS;
      while (performance.now() < until);
    }
  };
  await ended;
  endpoint.close();
  assert.equal(total, SENT_BYTES);
  assert.ok(most <= MAX_TURN_BYTES, `${most} bytes in one turn`);
});

test('connections that wait for bytes hold no block', async () => {
  // Blocks of earlier tests of this process may come back meanwhile.
  const [small, full] = [smallBlocks.lent, fullBlocks.lent];
  const holdNone = (): void => {
    assert.ok(
      smallBlocks.lent <= small && fullBlocks.lent <= full,
      `${smallBlocks.lent} and ${fullBlocks.lent} blocks`,
    );
  };
  const pairs = await Promise.all(Array.from({ length: 10 }, socketPair));
  for (const pair of pairs) for (const endpoint of pair) endpoint.onReadable = () => {};
  holdNone();
  for (const [near, far] of pairs) {
    send(near, 'hello');
    assert.equal((await readSome(far, 5)).toString(), 'hello');
  }
  holdNone();
  for (const pair of pairs) for (const endpoint of pair) endpoint.destroy(new Error('over'));
});

test('what quiet connections get at the same time stays apart, also while nobody reads it', async () => {
  const pairs = await Promise.all(Array.from({ length: 20 }, socketPair));
  for (const [, far] of pairs) far.onReadable = () => {};
  const texts = pairs.map((_, index) => `${index}-`.repeat(500));
  for (const [index, [near]] of pairs.entries()) send(near, texts[index] as string);
  for (const [index, [, far]] of [...pairs.entries()].toReversed()) {
    const text = texts[index] as string;
    assert.equal((await readSome(far, text.length)).toString(), text);
  }
  for (const pair of pairs) for (const endpoint of pair) endpoint.destroy(new Error('over'));
});

test('an answer longer than the kernel takes at once arrives whole after the asker has ended its side', async () => {
  const [asker, answerer] = await socketPair();
  const answer = Buffer.alloc(24 * 1024 * 1024, 5);
  asker.shutdownWrite();
  assert.equal((await collect(answerer)).length, 0);
  answerer.write([Region.of(answer)]);
  answerer.close();
  const got = await collect(asker);
  assert.equal(got.length, answer.length);
  assert.ok(got.equals(answer));
});
