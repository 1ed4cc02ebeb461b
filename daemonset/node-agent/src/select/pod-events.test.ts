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
  assert.deepEqual(decide(pod(undefined, running), ambient, undefined, rules), { kind: 'enrol', ips: ['10.0.0.1'] });
  assert.deepEqual(decide(pod(undefined, { phase: 'Pending' }), ambient, undefined, rules), { kind: 'nothing' });
});

test('a pod that an earlier agent enrolled is enrolled again, one that this agent holds is left alone', () => {
  assert.equal(decide(pod('enabled', running), ambient, undefined, rules).kind, 'enrol');
  assert.equal(decide(pod('enabled', running), ambient, ['10.0.0.1'], rules).kind, 'nothing');
  assert.equal(decide(pod('pending', running), ambient, ['10.0.0.1'], rules).kind, 'enrol');
});

test('a pod leaves when its label goes, and its rules with it', () => {
  assert.deepEqual(decide(pod('enabled', running), plain, ['10.0.0.1'], rules), { kind: 'remove', gone: false });
  assert.deepEqual(decide(pod(undefined, running), plain, undefined, rules), { kind: 'nothing' });
});

test('a pod that has ended leaves without touching its rules', () => {
  assert.deepEqual(decide(pod('enabled', { phase: 'Succeeded' }), ambient, ['10.0.0.1'], rules), {
    kind: 'remove',
    gone: true,
  });
});

test('a live pod whose namespace is not known stays as it is, one that has ended leaves', () => {
  assert.deepEqual(decide(pod('enabled', running), undefined, ['10.0.0.1'], rules), { kind: 'nothing' });
  assert.deepEqual(decide(pod('enabled', { phase: 'Failed' }), undefined, ['10.0.0.1'], rules), {
    kind: 'remove',
    gone: true,
  });
});

test('an enrolled pod whose addresses change gets the exemption for the new ones; one whose addresses are not known keeps it', () => {
  assert.deepEqual(decide(pod('enabled', { phase: 'Running', podIP: '10.0.0.2' }), ambient, ['10.0.0.1'], rules), {
    kind: 'readdress',
    ips: ['10.0.0.2'],
  });
  assert.equal(decide(pod('enabled', { phase: 'Running' }), ambient, ['10.0.0.1'], rules).kind, 'nothing');
});

test('an enrolled pod whose namespace becomes excluded leaves with its rules; a deleted one needs no such decision', () => {
  const excluding = { ...rules, excludedNamespaces: ['shop'] };
  assert.deepEqual(decide(pod('enabled', running), ambient, ['10.0.0.1'], excluding), { kind: 'remove', gone: false });
  assert.deepEqual(decide(pod(undefined, running), ambient, undefined, excluding), { kind: 'nothing' });
});
