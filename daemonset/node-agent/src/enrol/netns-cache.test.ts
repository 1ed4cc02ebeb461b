import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetnsHandle } from '@ambit/net';
import { handleOf } from './enrolment-world.ts';
import { type HeldPod, NetnsCache } from './netns-cache.ts';

const held = (netns: NetnsHandle | undefined, ips: readonly string[] = []): HeldPod => ({
  uid: 'a',
  workload: { name: 'a', namespace: 'shop', serviceAccount: 'sa' },
  ips,
  netns,
  capture: 'new',
});

test('the same namespace once more keeps the first descriptor, closes the second, and takes what is new about the pod', () => {
  const cache = new NetnsCache();
  const [first, second] = [handleOf(1n), handleOf(1n)];
  cache.put(held(first));
  const stored = cache.put(held(second, ['10.0.0.1']));
  assert.deepEqual([first.isOpen, second.isOpen], [true, false]);
  assert.deepEqual([stored.netns, stored.ips], [first, ['10.0.0.1']]);
});

test("a new sandbox's namespace replaces the old one, which is closed", () => {
  const cache = new NetnsCache();
  const [first, second] = [handleOf(1n), handleOf(2n)];
  cache.put(held(first));
  cache.put(held(second));
  assert.deepEqual([first.isOpen, second.isOpen, cache.get('a')?.netns], [false, true, second]);
});

test('a pod known by name alone gets its namespace later, and is closed once, however often it is dropped', () => {
  const cache = new NetnsCache();
  cache.put(held(undefined));
  const handle = handleOf(1n);
  cache.put(held(handle));
  assert.equal(cache.list().length, 1);
  cache.drop('a');
  cache.drop('a');
  assert.deepEqual([handle.isOpen, cache.get('a'), cache.list()], [false, undefined, []]);
});

test('the end closes every descriptor', () => {
  const cache = new NetnsCache();
  const handles = [handleOf(1n), handleOf(2n)];
  for (const [index, handle] of handles.entries()) cache.put({ ...held(handle), uid: String(index) });
  cache.close();
  assert.deepEqual(
    handles.map(({ isOpen }) => isOpen),
    [false, false],
  );
});
