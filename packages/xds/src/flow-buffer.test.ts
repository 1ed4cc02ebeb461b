import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFlowBuffer, type Flow, pathWithoutQuery } from './flow-buffer.ts';

const flow: Flow = {
  endedUnixMs: 0,
  durationMs: 1,
  direction: 'outbound',
  source: { address: 'a' },
  destination: { address: 'b' },
  mutualTls: true,
  bytesSent: 1,
  bytesReceived: 2,
};

test('nothing is kept, and no flow is even made, while nobody watches', () => {
  const buffer = createFlowBuffer(() => 0);
  buffer.add(() => assert.fail('made a flow'));
  assert.equal(buffer.isWanted, false);
  assert.equal(buffer.take(), undefined);
});

test('what is over the limit of a second is counted, and the next second begins anew', () => {
  let now = 0;
  const buffer = createFlowBuffer(() => now);
  buffer.setLimit(2);
  for (let count = 0; count < 5; count += 1) buffer.add(() => flow);
  assert.deepEqual(buffer.take(), { flows: [flow, flow], dropped: 3 });
  buffer.add(() => assert.fail('over the limit'));
  now = 1000;
  buffer.add(() => flow);
  assert.deepEqual(buffer.take(), { flows: [flow], dropped: 1 });
});

test('a buffer that nobody empties does not grow', () => {
  let now = 0;
  const buffer = createFlowBuffer(() => now);
  buffer.setLimit(2);
  for (; now < 10_000; now += 100) buffer.add(() => flow);
  const batch = buffer.take();
  assert.deepEqual([batch?.flows.length, batch?.dropped], [2, 98]);
  buffer.add(() => flow);
  buffer.setLimit(0);
  assert.equal(buffer.take(), undefined);
});

test('a path is told without its query', () => {
  assert.equal(pathWithoutQuery('/a?token=1'), '/a');
  assert.equal(pathWithoutQuery('/a'), '/a');
});
