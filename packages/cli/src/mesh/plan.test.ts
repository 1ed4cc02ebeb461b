import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolmentWarnings, planEnrolment } from './plan.ts';

const facts = {
  namespace: { metadata: { name: 'shop' } },
  istioNamespace: 'istio-system',
  pods: [
    { metadata: { name: 'web', labels: { app: 'web' } } },
    { metadata: { name: 'host' }, spec: { hostNetwork: true } },
  ],
  networkPolicies: [
    {
      metadata: { name: 'web' },
      spec: { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ ports: [{ port: 80 }] }] },
    },
  ],
  peerAuthentications: [
    { metadata: { name: 'default', namespace: 'istio-system' }, spec: { mtls: { mode: 'STRICT' } } },
  ],
};

test('a plan names who is captured, who is not and why, and everything that will hurt', () => {
  const plan = planEnrolment(facts);
  assert.deepEqual(
    plan.pods.map(({ name, captured }) => [name, captured]),
    [
      ['web', true],
      ['host', false],
    ],
  );
  assert.deepEqual(
    plan.blocking.map(({ name }) => name),
    ['web'],
  );
  assert.deepEqual(plan.strict, ['istio-system/default']);
  const text = enrolmentWarnings(plan, 'shop').join('\n');
  assert.match(text, /does not admit TCP 15008/);
  assert.match(text, /kubectl -n shop patch networkpolicy web/);
  assert.match(text, /STRICT/);
});

test('the namespace of the mesh itself is never captured', () => {
  const plan = planEnrolment({ ...facts, namespace: { metadata: { name: 'istio-system' } } });
  assert.ok(plan.pods.every(({ captured }) => !captured));
  assert.equal(plan.blocking.length, 0);
});
