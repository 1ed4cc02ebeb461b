import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureOf } from './capture.ts';

const namespace = { metadata: { name: 'shop', labels: { 'istio.io/dataplane-mode': 'ambient' } } };

test('a pod counts as captured only when its node agent has said so', () => {
  assert.equal(
    captureOf({ metadata: { annotations: { 'ambient.istio.io/redirection': 'enabled' } } }, namespace).kind,
    'captured',
  );
  assert.equal(captureOf({ metadata: {} }, namespace).kind, 'waiting');
});

test('every pod that stays outside says why', () => {
  const outside = [
    { spec: { hostNetwork: true } },
    { status: { phase: 'Succeeded' } },
    { metadata: { labels: { 'istio.io/dataplane-mode': 'none' } } },
    { metadata: { annotations: { 'sidecar.istio.io/status': '{}' } } },
  ];
  for (const pod of outside) assert.equal(captureOf(pod, namespace).kind, 'not-captured');
  assert.equal(captureOf({ metadata: {} }, { metadata: { name: 'shop' } }).kind, 'not-captured');
});
