import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus, Pod } from '../controllers/objects.ts';
import { buildPodStatus } from './pod-status.ts';
import type { PodObservation } from './pod-status.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c' }], initContainers: [{ name: 'i' }] },
};
const container = (name: string, over: Partial<ContainerStatus>): ContainerStatus => ({
  name,
  image: '',
  imageID: '',
  ready: false,
  started: false,
  restartCount: 0,
  state: { waiting: { reason: 'ContainerCreating' } },
  lastState: {},
  ...over,
});
const ended = (exitCode: number): Partial<ContainerStatus> => ({
  state: { terminated: { exitCode, reason: 'x', startedAt: '', finishedAt: '' } },
});
const running: Partial<ContainerStatus> = { state: { running: { startedAt: '' } }, ready: true, started: true };
const seen = (over: Partial<PodObservation>): PodObservation => ({
  podIp: '10.244.1.2',
  hostIp: '172.30.0.1',
  startTime: 't',
  init: [container('i', ended(0))],
  main: [container('c', running)],
  ephemeral: [],
  isOver: false,
  isTerminating: false,
  problem: undefined,
  ...over,
});
const summary = (over: Partial<PodObservation>, of: Pod = pod): string => {
  const status = buildPodStatus(of, seen(over), 'now');
  const ready = status.conditions?.find((each) => each.type === 'Ready');
  return `${status.phase ?? ''} ${ready?.status ?? ''}`;
};

test('phase and readiness follow the containers', () => {
  assert.equal(summary({}), 'Running True');
  assert.equal(summary({ init: [container('i', {})], main: [container('c', {})] }), 'Pending False');
  assert.equal(summary({ main: [container('c', { ...running, ready: false })] }), 'Running False');
  assert.equal(summary({ isTerminating: true }), 'Running False');
  assert.equal(summary({ main: [container('c', ended(0))], isOver: true }), 'Succeeded False');
  assert.equal(summary({ main: [container('c', ended(3))], isOver: true }), 'Failed False');
  assert.equal(summary({ init: [container('i', ended(1))], main: [container('c', {})], isOver: true }), 'Failed False');
});

test('conditions of others are kept and times change only with their condition', () => {
  const before: Pod = {
    ...pod,
    status: {
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime: 'then' },
        { type: 'example.org/x', status: 'True' },
      ],
    },
  };
  const status = buildPodStatus(before, seen({}), 'now');
  assert.equal(status.conditions?.find((each) => each.type === 'Ready')?.lastTransitionTime, 'then');
  assert.ok(status.conditions?.some((each) => each.type === 'example.org/x'));
});

test('a readiness gate holds the pod back', () => {
  const gated: Pod = { ...pod, spec: { ...pod.spec, readinessGates: [{ conditionType: 'example.org/x' }] } };
  assert.equal(summary({}, gated), 'Running False');
});
