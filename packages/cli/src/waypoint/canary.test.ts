import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canaryPatch } from './canary.ts';

test('a canary gets its share, is promoted to be the waypoint, or taken away', () => {
  assert.deepEqual(canaryPatch({ to: 'next', weight: '5' }, undefined), {
    labels: { 'istio.io/use-waypoint-canary': 'next' },
    annotations: { 'istio.io/use-waypoint-canary-weight': '5' },
  });
  assert.deepEqual(canaryPatch({ promote: true }, 'next').labels, {
    'istio.io/use-waypoint-canary': null,
    'istio.io/use-waypoint': 'next',
  });
  assert.deepEqual(canaryPatch({ abort: true }, 'next').annotations, { 'istio.io/use-waypoint-canary-weight': null });
});

test('a share that is none and a promotion without a canary are refused', () => {
  assert.throws(() => canaryPatch({ to: 'next', weight: '101' }, undefined), { code: 'ERR_CLI_INVALID' });
  assert.throws(() => canaryPatch({ promote: true }, undefined), { code: 'ERR_CLI_REFUSED' });
});
