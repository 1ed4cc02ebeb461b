import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { memberOf, testService, testStore, testWorkload } from '@ambit/state/testing';
import { readSharedDiff, shareDiff } from './shared-diff.ts';

test('a thread reads from shared memory what the main thread wrote, as often as there are threads', () => {
  const service = testService('a');
  const workloads = Array.from({ length: 100 }, (_, index) =>
    testWorkload(`w${index}`, { ips: [`10.0.0.${index}`], services: memberOf({ 80: 8080 }, service) }),
  );
  const store = testStore({ workloads, services: [service] });
  const shared = shareDiff(store.fullDiff());
  for (const thread of [createStateStore(), createStateStore()]) {
    const snapshot = thread.applyDiff(readSharedDiff(shared));
    assert.deepEqual([...snapshot.workloads.values()], [...store.snapshot().workloads.values()]);
    assert.equal(snapshot.generation, store.snapshot().generation);
  }
});
