import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planDaemonStep } from './daemon-plan.ts';
import type { DaemonNode, DaemonPod } from './daemon-plan.ts';

const pod = (name: string, over: Partial<DaemonPod> = {}): DaemonPod => ({
  name,
  current: true,
  ready: true,
  available: true,
  finished: false,
  terminating: false,
  ...over,
});
const node = (name: string, ...pods: DaemonPod[]): DaemonNode => ({ name, wanted: true, mayStay: true, pods });
const old = { current: false };

test('an empty node gets a pod, a node that is not wanted loses it', () => {
  const step = planDaemonStep(
    [node('a'), { name: 'b', wanted: false, mayStay: false, pods: [pod('p')] }],
    'RollingUpdate',
    {},
  );
  assert.deepEqual(step, { create: ['a'], remove: ['p'] });
});

test('with surge the new pod is available before the old one goes, one node at a time', () => {
  const limits = { maxSurge: 1, maxUnavailable: 0 };
  const first = planDaemonStep([node('a', pod('a1', old)), node('b', pod('b1', old))], 'RollingUpdate', limits);
  assert.deepEqual(first, { create: ['a'], remove: [] });
  const waiting = [node('a', pod('a1', old), pod('a2', { ready: false, available: false })), node('b', pod('b1', old))];
  assert.deepEqual(planDaemonStep(waiting, 'RollingUpdate', limits), { create: [], remove: [] });
  const ready = [node('a', pod('a1', old), pod('a2')), node('b', pod('b1', old))];
  assert.deepEqual(planDaemonStep(ready, 'RollingUpdate', limits), { create: ['b'], remove: ['a1'] });
});

test('without surge old pods are removed within the budget and a node waits for its terminating pod', () => {
  const limits = { maxUnavailable: 1 };
  const first = planDaemonStep([node('a', pod('a1', old)), node('b', pod('b1', old))], 'RollingUpdate', limits);
  assert.deepEqual(first, { create: [], remove: ['a1'] });
  const leaving = [node('a', pod('a1', { ...old, terminating: true })), node('b', pod('b1', old))];
  assert.deepEqual(planDaemonStep(leaving, 'RollingUpdate', limits), { create: [], remove: [] });
});

test('OnDelete replaces nothing by itself', () => {
  assert.deepEqual(planDaemonStep([node('a', pod('a1', old))], 'OnDelete', {}), { create: [], remove: [] });
});

test('a cordoned node keeps the pod it has and gets no new one', () => {
  const cordoned = (...pods: DaemonPod[]): DaemonNode => ({ name: 'a', wanted: false, mayStay: true, pods });
  assert.deepEqual(planDaemonStep([cordoned(pod('p'))], 'RollingUpdate', {}), { remove: [], create: [] });
  assert.deepEqual(planDaemonStep([cordoned()], 'RollingUpdate', {}), { remove: [], create: [] });
});
