import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { bucketMemory, createTokenBuckets } from './buckets.ts';

const size = { max: 100, perMs: 1e-9 };

test('buckets in shared memory give all together what one bucket has', async () => {
  const memory = bucketMemory({ isShared: true, slots: 64 });
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.url).then(({ createTokenBuckets }) => {
      const buckets = createTokenBuckets(workerData.memory);
      let taken = 0;
      for (let index = 0; index < 200; index++) if (buckets.take('a', workerData.size, 5).isTaken) taken += 1;
      parentPort.postMessage(taken);
    });`;
  const url = new URL('./buckets.ts', import.meta.url).href;
  const workers = [1, 2, 3].map(() => new Worker(source, { eval: true, workerData: { url, memory, size } }));
  const counts = await Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as [number])[0]));
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    size.max,
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('names do not touch each other, and a full bucket gives its slot away', () => {
  const buckets = createTokenBuckets(bucketMemory({ isShared: false, slots: 8 }));
  const tight = { max: 1, perMs: 1 };
  assert.equal(buckets.take('a', tight, 0).isTaken, true);
  assert.equal(buckets.take('a', tight, 0).isTaken, false);
  for (let index = 0; index < 7; index++) assert.equal(buckets.take(`other ${index}`, tight, 0).isTaken, true);
  assert.equal(buckets.take('a', tight, 0).isTaken, false, 'eight names have eight slots');
  for (let index = 0; index < 1000; index++)
    assert.equal(buckets.take(`later ${index}`, tight, 2 + index).isTaken, true);
});

test('more names than slots cost a limit, never a request', () => {
  const buckets = createTokenBuckets(bucketMemory({ isShared: false, slots: 8 }));
  for (let index = 0; index < 10_000; index++)
    assert.equal(buckets.take(`name ${index}`, { max: 1, perMs: 1e-6 }, 0).isTaken, true);
});
