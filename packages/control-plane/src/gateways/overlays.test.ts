import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withOverlays } from './overlays.ts';
import { PatchError } from './strategic-merge.ts';

const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'wp' }, spec: { template: {} } };
const scaler = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'wp' }, spec: {} };

test('later overlays win, and a scaler exists only when one asks for it', () => {
  const plain = withOverlays([deployment, scaler], []);
  assert.deepEqual(plain, [deployment]);
  const objects = withOverlays(
    [deployment, scaler],
    [
      { deployment: 'spec:\n  replicas: 2\n' },
      { deployment: 'spec: { replicas: 4 }', horizontalPodAutoscaler: 'spec: { maxReplicas: 5 }' },
    ],
  );
  assert.deepEqual(
    objects.map((o) => o['spec']),
    [{ template: {}, replicas: 4 }, { maxReplicas: 5 }],
  );
});

test('an unknown key, broken YAML and a change of identity are refused', () => {
  for (const data of [
    { deploymentt: '{}' },
    { deployment: '{' },
    { deployment: '[]' },
    { deployment: 'metadata: { name: other }' },
    { deployment: 'metadata: { ownerReferences: [] , finalizers: [x] }' },
  ]) {
    assert.throws(() => withOverlays([deployment], [data]), PatchError, JSON.stringify(data));
  }
});
