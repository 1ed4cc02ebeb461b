// When frames leave: the first of a quiet connection's turn at once, what follows it in the same turn together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { memoryPair } from '@ambit/net/testing';
import { DEFAULT_LIMITS } from '../tunnel.ts';
import { clientLimits } from './limits.ts';
import { FramedTransport } from './transport.ts';

test('a lonely frame leaves at once, those of a busy turn leave together, and a quiet connection is lonely again', async () => {
  const [near] = memoryPair();
  let writes = 0;
  const write = near.write.bind(near);
  near.write = (regions) => {
    writes += 1;
    return write(regions);
  };
  const transport = new FramedTransport(near, 'peer', false, clientLimits(DEFAULT_LIMITS), {
    onStream: () => assert.fail('a client gets no stream'),
    onGoaway: () => {},
    onPong: () => {},
    onSendable: () => {},
    onStreamGone: () => {},
    onClosed: () => {},
  });
  const frame = (): void => {
    transport.connection.ping(1);
    transport.flushSoon();
  };
  await turn();
  for (let lonely = 0; lonely < 3; lonely += 1) {
    writes = 0;
    frame();
    assert.equal(writes, 1);
    await turn();
    assert.equal(writes, 1);
  }
  writes = 0;
  for (let message = 0; message < 3; message += 1) frame();
  assert.equal(writes, 1);
  await turn();
  assert.equal(writes, 2);
  // Busy: the first of the next turn waits as well.
  frame();
  assert.equal(writes, 2);
  await turn();
  assert.equal(writes, 3);
  for (let quiet = 0; quiet < 20; quiet += 1) {
    frame();
    await turn();
  }
  writes = 0;
  frame();
  assert.equal(writes, 1);
  transport.end(0, new Error('test over'));
});
