import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standardSelectors } from './eligible.ts';
import { decide } from './pod-events.ts';

const rules = { selectors: standardSelectors, excludedNamespaces: [] };
const ambient = { metadata: { labels: { 'istio.io/dataplane-mode': 'ambient' } } };
const plain = { metadata: {} };
const pod = (annotation: string | undefined, status: object) => ({
  metadata: {
    namespace: 'shop',
    ...(annotation === undefined ? {} : { annotations: { 'ambient.istio.io/redirection': annotation } }),
  },
  status,
});
const running = { phase: 'Running', podIP: '10.0.0.1' };

test('a running pod of a labelled namespace is enrolled once it has an address', () => {
  assert.deepEqual(decide(pod(undefined, running), ambient, false, rules), { kind: 'enrol', ips: ['10.0.0.1'] });
  assert.deepEqual(decide(pod(undefined, { phase: 'Pending' }), ambient, false, rules), { kind: 'nothing' });
});

test('a pod that an earlier agent enrolled is enrolled again, one that this agent holds is left alone', () => {
  assert.equal(decide(pod('enabled', running), ambient, false, rules).kind, 'enrol');
  assert.equal(decide(pod('enabled', running), ambient, true, rules).kind, 'nothing');
  assert.equal(decide(pod('pending', running), ambient, true, rules).kind, 'enrol');
});

test('a pod leaves when its label goes, and its rules with it', () => {
  assert.deepEqual(decide(pod('enabled', running), plain, true, rules), { kind: 'remove', gone: false });
  assert.deepEqual(decide(pod(undefined, running), plain, false, rules), { kind: 'nothing' });
});

test('a pod that has ended leaves without touching its rules', () => {
  assert.deepEqual(decide(pod('enabled', { phase: 'Succeeded' }), ambient, true, rules), {
    kind: 'remove',
    gone: true,
  });
});

test('a pod whose namespace is not known any more can still leave', () => {
  assert.deepEqual(decide(pod('enabled', running), undefined, true, rules), { kind: 'remove', gone: false });
});
