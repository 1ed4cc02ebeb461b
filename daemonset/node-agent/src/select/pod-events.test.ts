import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standardSelectors } from './eligible.ts';
import { decide, ruleWishesOf } from './pod-events.ts';

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
const captured = { ips: ['10.0.0.1'], wishes: ruleWishesOf({ metadata: {} }) };

test('a running pod of a labelled namespace is enrolled once it has an address', () => {
  assert.deepEqual(decide(pod(undefined, running), ambient, undefined, rules), { kind: 'enrol', ips: ['10.0.0.1'] });
  assert.deepEqual(decide(pod(undefined, { phase: 'Pending' }), ambient, undefined, rules), { kind: 'nothing' });
});

test('a pod that an earlier agent enrolled is enrolled again, one that this agent holds is left alone', () => {
  assert.equal(decide(pod('enabled', running), ambient, undefined, rules).kind, 'enrol');
  assert.equal(decide(pod('enabled', running), ambient, captured, rules).kind, 'nothing');
  assert.equal(decide(pod('pending', running), ambient, captured, rules).kind, 'enrol');
});

test('a pod leaves when its label goes, and its rules with it', () => {
  assert.deepEqual(decide(pod('enabled', running), plain, captured, rules), { kind: 'remove', gone: false });
  assert.deepEqual(decide(pod(undefined, running), plain, undefined, rules), { kind: 'nothing' });
});

test('a pod that has ended leaves without touching its rules', () => {
  assert.deepEqual(decide(pod('enabled', { phase: 'Succeeded' }), ambient, captured, rules), {
    kind: 'remove',
    gone: true,
  });
});

test('a live pod whose namespace is not known stays as it is, one that has ended leaves', () => {
  assert.deepEqual(decide(pod('enabled', running), undefined, captured, rules), { kind: 'nothing' });
  assert.deepEqual(decide(pod('enabled', { phase: 'Failed' }), undefined, captured, rules), {
    kind: 'remove',
    gone: true,
  });
});

test('an enrolled pod whose addresses change gets the exemption for the new ones; one whose addresses are not known keeps it', () => {
  assert.deepEqual(decide(pod('enabled', { phase: 'Running', podIP: '10.0.0.2' }), ambient, captured, rules), {
    kind: 'readdress',
    ips: ['10.0.0.2'],
  });
  assert.equal(decide(pod('enabled', { phase: 'Running' }), ambient, captured, rules).kind, 'nothing');
});

test('an enrolled pod whose namespace becomes excluded leaves with its rules; a deleted one needs no such decision', () => {
  const excluding = { ...rules, excludedNamespaces: ['shop'] };
  assert.deepEqual(decide(pod('enabled', running), ambient, captured, excluding), { kind: 'remove', gone: false });
  assert.deepEqual(decide(pod(undefined, running), ambient, undefined, excluding), { kind: 'nothing' });
});

test('an annotation that chooses among rules takes effect on a pod that runs; another one changes nothing', () => {
  const annotated = (name: string, value: string) => {
    const { metadata, status } = pod('enabled', running);
    return { metadata: { ...metadata, annotations: { ...metadata.annotations, [name]: value } }, status };
  };
  for (const name of [
    'ambient.istio.io/dns-capture',
    'ambient.istio.io/bypass-inbound-capture',
    'istio.io/reroute-virtual-interfaces',
  ])
    assert.deepEqual(decide(annotated(name, 'true'), ambient, captured, rules), { kind: 'enrol', ips: ['10.0.0.1'] });
  assert.deepEqual(decide(annotated('example.org/other', 'true'), ambient, captured, rules), { kind: 'nothing' });
  const now = { ...captured, wishes: ruleWishesOf(annotated('ambient.istio.io/dns-capture', 'true')) };
  assert.deepEqual(decide(annotated('ambient.istio.io/dns-capture', 'true'), ambient, now, rules), { kind: 'nothing' });
  assert.deepEqual(decide(pod('enabled', running), ambient, now, rules), { kind: 'enrol', ips: ['10.0.0.1'] });
});
