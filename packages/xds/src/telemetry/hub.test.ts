import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Flow, FlowSchema } from '@ambit/proto/telemetry';
import { createFlowHub } from './hub.ts';

const between = (source: string, destination: string): Flow =>
  create(FlowSchema, { source: { namespace: source }, destination: { namespace: destination } });
const noReader = { maxPerSecond: 10, onFlows: () => undefined };

test('proxies are told to send while somebody watches, as much as the most curious wants, and to stop after the last', () => {
  const hub = createFlowHub();
  const limits: number[] = [];
  hub.addReporter({ name: 'a', namespace: undefined, setLimit: (limit) => limits.push(limit) });
  const first = hub.addWatcher({ ...noReader, namespace: undefined });
  const second = hub.addWatcher({ ...noReader, namespace: 'shop', maxPerSecond: 50 });
  second[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.deepEqual(limits, [0, 10, 50, 10, 0]);
});

test('a watcher of one namespace sees flows with an end there, and no others', () => {
  const hub = createFlowHub();
  const reporter = hub.addReporter({ name: 'ztunnel-1', namespace: undefined, setLimit: () => undefined });
  const shop = hub.addWatcher({ ...noReader, namespace: 'shop' });
  const all = hub.addWatcher({ ...noReader, namespace: undefined });
  reporter.take([between('shop', 'bank'), between('bank', 'shop'), between('bank', 'bank')], 0);
  assert.equal(shop.take().flows.length, 2);
  const { flows } = all.take();
  assert.deepEqual(
    flows.map(({ reporter: name }) => name),
    ['ztunnel-1', 'ztunnel-1', 'ztunnel-1'],
  );
});

test('what a waypoint says reaches watchers of its own namespace, and of all, but not of another', () => {
  const hub = createFlowHub();
  const waypoint = hub.addReporter({ name: 'wp', namespace: 'shop', setLimit: () => undefined });
  const watchers = ['shop', 'bank', undefined].map((namespace) => hub.addWatcher({ ...noReader, namespace }));
  waypoint.take([between('shop', 'bank')], 0);
  assert.deepEqual(
    watchers.map((watcher) => watcher.take().flows.length),
    [1, 0, 1],
  );
});

test('a watcher that does not take its flows loses them, is told how many, and nobody else loses any', () => {
  const lost = { proxy: 0, watcher: 0 };
  const hub = createFlowHub((where, count) => (lost[where] += count));
  const reporter = hub.addReporter({ name: 'a', namespace: undefined, setLimit: () => undefined });
  const slow = hub.addWatcher({ ...noReader, namespace: undefined });
  const quick = hub.addWatcher({ ...noReader, namespace: undefined });
  let taken = 0;
  for (let round = 0; round < 100; round += 1) {
    reporter.take(
      Array.from({ length: 100 }, () => between('shop', 'shop')),
      1,
    );
    taken += quick.take().flows.length;
  }
  assert.equal(taken, 10_000);
  const late = slow.take();
  assert.equal(late.flows.length, 4096);
  assert.equal(late.dropped, 10_000 - 4096 + 100);
  assert.deepEqual(lost, { proxy: 100, watcher: 10_000 - 4096 });
});
