import assert from 'node:assert/strict';
import { test } from 'node:test';
import { review } from './admission.ts';
import { wantedWebhooks } from './configuration.ts';

const request = (object: object, operation = 'CREATE') =>
  review({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: { uid: 'u', operation, object } })
    ?.response;
const policy = (spec: object) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'x', namespace: 'apps' },
  spec,
});

test('a review is answered under its uid, with the reason of a refusal', () => {
  assert.deepEqual(request(policy({ rules: [{}] })), { uid: 'u', allowed: true });
  const refused = request(policy({ action: 'CUSTOM', rules: [{}] }));
  assert.equal(refused?.allowed, false);
  assert.equal(
    refused.status?.message,
    'configuration is invalid: invalid policy x.apps: `provider.name` must not be empty',
  );
  assert.ok(request(policy({ action: 'MAYBE' }))?.status?.message.startsWith('error decoding configuration: '));
});

test('deletions pass, unknown kinds and bodies do not', () => {
  assert.equal(request(policy({ action: 'CUSTOM' }), 'DELETE')?.allowed, true);
  assert.equal(request({ apiVersion: 'v1', kind: 'Pod' })?.allowed, false);
  assert.equal(review({ kind: 'Pod' }), undefined);
  assert.equal(review(undefined), undefined);
});

test('a configuration gets our root, and Fail only when the webhook is proven', () => {
  const configuration = {
    webhooks: [{ name: 'a', clientConfig: { service: { name: 'istiod' } }, failurePolicy: 'Ignore' }],
  };
  const first = wantedWebhooks(configuration, 'PEM', false);
  assert.deepEqual(first, [
    { name: 'a', clientConfig: { service: { name: 'istiod' }, caBundle: 'UEVN' }, failurePolicy: 'Ignore' },
  ]);
  const proven = wantedWebhooks({ webhooks: first }, 'PEM', true);
  assert.equal(proven?.[0]?.['failurePolicy'], 'Fail');
  assert.equal(wantedWebhooks({ webhooks: proven }, 'PEM', true), undefined);
});

test('webhooks for pods get our root and keep their policy, those of others in the same configuration stay', () => {
  const configuration = {
    kind: 'MutatingWebhookConfiguration',
    webhooks: [
      { name: 'rev.namespace.sidecar-injector.istio.io', clientConfig: {}, failurePolicy: 'Ignore' },
      { name: 'other.example.com', clientConfig: { caBundle: 'b3RoZXI=' } },
    ],
  };
  assert.deepEqual(wantedWebhooks(configuration, 'PEM', false), [
    { name: 'rev.namespace.sidecar-injector.istio.io', clientConfig: { caBundle: 'UEVN' }, failurePolicy: 'Ignore' },
    { name: 'other.example.com', clientConfig: { caBundle: 'b3RoZXI=' } },
  ]);
});
