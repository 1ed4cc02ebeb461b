import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evictionDelay, plannedTaints } from './node-taints.ts';
import type { Node } from './objects.ts';

const node = (spec: Node['spec'], ready: 'True' | 'False' | 'Unknown'): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n' },
  spec,
  status: { conditions: [{ type: 'Ready', status: ready }] },
});
const own = { key: 'team', value: 'a', effect: 'NoSchedule' };

test('a cordoned node is tainted, an uncordoned one loses only that taint', () => {
  const cordoned = plannedTaints(node({ unschedulable: true, taints: [own] }, 'True'), 'now');
  assert.deepEqual(cordoned, [
    own,
    { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule', timeAdded: 'now' },
  ]);
  assert.deepEqual(plannedTaints(node({ taints: cordoned }, 'True'), 'later'), [own]);
  assert.deepEqual(plannedTaints(node({ unschedulable: true, taints: cordoned }, 'True'), 'later'), cordoned);
});

test('a silent node is unreachable, a node that says so is not ready', () => {
  const keys = (ready: 'True' | 'False' | 'Unknown'): string[] =>
    plannedTaints(node({}, ready), 'now').map((each) => `${each.key}:${each.effect}`);
  assert.deepEqual(keys('Unknown'), [
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  assert.deepEqual(keys('False'), [
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ]);
});

test('a pod stays as long as its shortest toleration, for ever without a time, not at all without a toleration', () => {
  const timeAdded = '2026-01-01T00:00:00Z';
  const taints = [{ key: 'a', effect: 'NoExecute', timeAdded }];
  const now = Date.parse(timeAdded) + 100_000;
  assert.equal(evictionDelay([], taints, now), 0);
  assert.equal(evictionDelay([{ key: 'a', operator: 'Exists' }], taints, now), Number.POSITIVE_INFINITY);
  const timed = { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 };
  assert.equal(evictionDelay([timed], taints, now), 200_000);
  assert.equal(evictionDelay([timed], taints, now + 300_000), 0);
});
