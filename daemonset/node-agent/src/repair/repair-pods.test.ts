import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import type { KubernetesObject } from '@ambit/resources';
import { isBroken } from './broken-pod.ts';
import { RepairController, type RepairMode, repairModeOf, type RepairParts } from './repair-pods.ts';

const filter = {
  sidecarAnnotation: 'sidecar.istio.io/status',
  initContainer: 'istio-validation',
  exitCode: 126,
  message: '',
};

interface Shape {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly container?: string;
  readonly now?: object;
  readonly last?: object;
}

const pod = ({
  annotations = { 'sidecar.istio.io/status': '' },
  container = 'istio-validation',
  now = { waiting: { reason: 'CrashLoopBackOff' } },
  last = { exitCode: 126 },
}: Shape = {}): KubernetesObject => ({
  metadata: { uid: 'u1', name: 'web', namespace: 'shop', resourceVersion: '7', annotations },
  status: { initContainerStatuses: [{ name: container, state: now, lastState: { terminated: last } }] },
});

test('broken is a sidecar pod whose validation failed in the named way and has not succeeded since', () => {
  const cases: readonly (readonly [Shape, boolean])[] = [
    [{}, true],
    [{ annotations: {} }, false],
    [{ container: 'other' }, false],
    [{ last: { exitCode: 1 } }, false],
    [{ last: {} }, false],
    [{ now: { terminated: { reason: 'Completed', exitCode: 0 } } }, false],
    [{ now: { terminated: { exitCode: 126 } } }, true],
  ];
  for (const [shape, expected] of cases) assert.equal(isBroken(pod(shape), filter), expected, JSON.stringify(shape));
  const withMessage = { ...filter, message: 'no redirection' };
  assert.equal(isBroken(pod({ last: { exitCode: 126, message: ' no redirection\n' } }), withMessage), true);
  assert.equal(isBroken(pod(), withMessage), false);
  assert.equal(isBroken({}, filter), false);
});

test('the switches of upstream, in the order in which this agent can follow them', () => {
  const mode = (...on: readonly string[]): RepairMode =>
    repairModeOf({
      REPAIR_ENABLED: on.includes('enabled'),
      REPAIR_REPAIR_PODS: on.includes('repair'),
      REPAIR_DELETE_PODS: on.includes('delete'),
      REPAIR_LABEL_PODS: on.includes('label'),
    });
  assert.deepEqual(
    [mode('repair'), mode('enabled'), mode('enabled', 'repair'), mode('enabled', 'repair', 'label', 'delete')],
    ['off', 'off', 'repair', 'delete'],
  );
  assert.equal(mode('enabled', 'repair', 'label'), 'label');
});

function controller(mode: RepairMode, failures = 0) {
  const did: string[] = [];
  const state = { failures };
  const act = async (what: string): Promise<void> => {
    if (state.failures > 0) {
      state.failures -= 1;
      throw new Error('conflict');
    }
    did.push(what);
  };
  const parts: RepairParts = {
    mode,
    filter,
    label: ['cni.istio.io/uninitialized', 'true'],
    source: {
      deletePod: async ({ metadata }) => act(`delete ${metadata?.uid} ${metadata?.resourceVersion}`),
      labelPod: async ({ metadata }, labels) => act(`label ${metadata?.name} ${JSON.stringify(labels)}`),
      tell: async (_pod, { reason }) => void did.push(reason),
    },
    log: silentLogger,
    onRepair: (type, result) => did.push(`${type} ${result}`),
    pause: async () => undefined,
  };
  return { did, repair: new RepairController(parts) };
}

test('a broken pod is deleted or labelled once, with an event, and others are left alone', async () => {
  const deleting = controller('delete');
  await deleting.repair.onPod(pod({ annotations: {} }));
  await Promise.all([deleting.repair.onPod(pod()), deleting.repair.onPod(pod())]);
  assert.deepEqual(deleting.did, ['delete u1 7', 'DeleteBrokenPod', 'delete success']);
  const labelling = controller('label', 3);
  await labelling.repair.onPod(pod());
  assert.deepEqual(labelling.did, [
    'label web {"cni.istio.io/uninitialized":"true"}',
    'LabelBrokenPod',
    'label success',
  ]);
});

test('after five failures the pod waits for its next change; a mode that this agent cannot follow is counted', async () => {
  const failing = controller('delete', 5);
  await failing.repair.onPod(pod());
  await failing.repair.onPod(pod());
  assert.deepEqual(failing.did, ['delete fail', 'delete u1 7', 'DeleteBrokenPod', 'delete success']);
  const leaving = controller('repair');
  await leaving.repair.onPod(pod());
  await leaving.repair.onPod(pod());
  leaving.repair.forget('u1');
  assert.deepEqual(leaving.did, ['repair skip']);
});
