import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planStatefulStep, type StatefulPod, type StatefulWish } from './stateful-plan.ts';

const wish: StatefulWish = {
  replicas: 3,
  start: 0,
  isParallel: false,
  isOnDelete: false,
  partition: 0,
  currentRevision: 'new',
  updateRevision: 'new',
};
const pod = (ordinal: number, extra: Partial<StatefulPod> = {}): StatefulPod => ({
  name: `db-${ordinal}`,
  ordinal,
  revision: 'new',
  ready: true,
  available: true,
  finished: false,
  terminating: false,
  ...extra,
});
const unready = { ready: false, available: false };

test('numbers are made upwards, each after the last is available', () => {
  assert.deepEqual(planStatefulStep([], wish).create, [{ ordinal: 0, revision: 'new' }]);
  assert.deepEqual(planStatefulStep([pod(0, unready)], wish), { remove: [], create: [] });
  assert.deepEqual(planStatefulStep([pod(0)], wish).create, [{ ordinal: 1, revision: 'new' }]);
  assert.deepEqual(
    planStatefulStep([], { ...wish, isParallel: true, start: 5 }).create.map(({ ordinal }) => ordinal),
    [5, 6, 7],
  );
});

test('surplus numbers end downwards, one at a time, and only when the others are healthy', () => {
  const all = [pod(0), pod(1), pod(2)];
  assert.deepEqual(planStatefulStep(all, { ...wish, replicas: 1 }).remove, ['db-2']);
  assert.deepEqual(
    planStatefulStep([pod(0), pod(1), pod(2, { terminating: true })], { ...wish, replicas: 1 }).remove,
    [],
  );
  assert.deepEqual(planStatefulStep([pod(0, unready), pod(1)], { ...wish, replicas: 1 }).remove, []);
  assert.deepEqual(planStatefulStep(all, { ...wish, replicas: 1, isParallel: true }).remove, ['db-2', 'db-1']);
});

test('a new revision goes downwards to the partition, each after the last is available', () => {
  const old = { revision: 'old' };
  const update = { ...wish, currentRevision: 'old' };
  assert.deepEqual(planStatefulStep([pod(0, old), pod(1, old), pod(2, old)], update).remove, ['db-2']);
  assert.deepEqual(planStatefulStep([pod(0, old), pod(1, old), pod(2, unready)], update).remove, []);
  assert.deepEqual(planStatefulStep([pod(0, old), pod(1, old), pod(2)], update).remove, ['db-1']);
  assert.deepEqual(planStatefulStep([pod(0, old), pod(1, old), pod(2)], { ...update, partition: 2 }).remove, []);
  assert.deepEqual(
    planStatefulStep([pod(0, old), pod(1, old), pod(2, old)], { ...update, isOnDelete: true }).remove,
    [],
  );
  assert.deepEqual(planStatefulStep([pod(1, old), pod(2, old)], { ...update, partition: 2 }).create, [
    { ordinal: 0, revision: 'old' },
  ]);
});

test('a pod that ended for good is made anew; one that is not ready is waited for', () => {
  assert.deepEqual(planStatefulStep([pod(0, { finished: true })], wish).remove, ['db-0']);
  const stuck = [pod(0, { ...unready, revision: 'old' })];
  assert.deepEqual(planStatefulStep(stuck, { ...wish, replicas: 1, currentRevision: 'old' }).remove, []);
});
