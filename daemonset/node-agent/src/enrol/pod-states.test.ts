import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { standardSelectors } from '../select/eligible.ts';
import type { CaptureState, HeldPod } from './netns-cache.ts';
import { countUnprotected, podStates } from './pod-states.ts';

const mode = { 'istio.io/dataplane-mode': 'ambient' };
const pod = (uid: string, status: object, metadata: object = {}): KubernetesObject => ({
  metadata: { uid, name: uid, namespace: 'shop', ...metadata },
  status,
});
const running = { phase: 'Running', podIP: '10.0.0.1' };

function statesOf(pods: readonly KubernetesObject[], captures: Readonly<Record<string, CaptureState>>) {
  return podStates({
    pods: () => pods,
    namespace: (name) => (name === 'shop' ? { metadata: { labels: mode } } : undefined),
    held: (uid): HeldPod | undefined => {
      const capture = captures[uid];
      return capture === undefined
        ? undefined
        : { uid, workload: { name: uid, namespace: 'shop', serviceAccount: '' }, ips: [], netns: undefined, capture };
    },
    rules: { selectors: standardSelectors, excludedNamespaces: [] },
  });
}

test('a pod counts as unprotected until this agent itself has captured it, whatever its annotation says', () => {
  const enabled = { annotations: { 'ambient.istio.io/redirection': 'enabled' } };
  const states = statesOf(
    [
      pod('captured', running, enabled),
      pod('expected', running, enabled),
      pod('new', running),
      pod('unknown', { phase: 'Running' }, enabled),
      pod('starting', { phase: 'Pending' }),
    ],
    { captured: 'installed', expected: 'expected', new: 'new' },
  );
  assert.deepEqual(
    states.map(({ name, state }) => `${name} ${state}`),
    ['captured captured', 'expected unprotected', 'new unprotected', 'unknown unprotected', 'starting waiting'],
  );
  assert.equal(countUnprotected(states), 3);
});

test('pods that do not belong in the mesh, or have ended, do not count', () => {
  const states = statesOf(
    [
      pod('ended', { phase: 'Succeeded' }),
      pod('out', running, { labels: { 'istio.io/dataplane-mode': 'none' } }),
      pod('elsewhere', running, { namespace: 'other' }),
    ],
    {},
  );
  assert.deepEqual(states, []);
});
