import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { injectionReview } from './injection.ts';

interface PodParts {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: object;
}

const about = ({ namespace = 'apps', labels = {}, annotations = {}, spec = {} }: PodParts, operation = 'CREATE') =>
  injectionReview({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u',
      operation,
      namespace,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      object: { metadata: { labels, annotations }, spec },
    },
  });
const warningOf = (pod: PodParts): string => about(pod)?.review.response.warnings?.join() ?? '';

test('a pod for which a sidecar is expected passes unchanged, and its author is told why and what to do', () => {
  const { review, isAsked } = about({ labels: { 'sidecar.istio.io/inject': 'true' } }) ?? {};
  assert.equal(isAsked, true);
  assert.deepEqual(Object.keys(review?.response ?? {}), ['uid', 'allowed', 'warnings']);
  assert.equal(review?.response.uid, 'u');
  assert.equal(review.response.allowed, true);
  assert.match(review.response.warnings?.join() ?? '', /no sidecar .*ambient.*try: /);
});

test('a gateway that waits for its image, and an unknown template, are told what is not there', () => {
  assert.match(warningOf({ annotations: { 'inject.istio.io/templates': 'gateway' } }), /^no gateway proxy/);
  assert.match(warningOf({ spec: { containers: [{ name: 'istio-proxy', image: 'auto' }] } }), /^no gateway proxy/);
  assert.match(warningOf({ annotations: { 'inject.istio.io/templates': 'sidecar, mine' } }), /template "mine"/);
  assert.match(warningOf({ annotations: { 'inject.istio.io/templates': 'sidecar' } }), /^no sidecar/);
});

test('pods that nobody wants to have injected get no warning', () => {
  for (const pod of [
    { namespace: 'kube-system' },
    { spec: { hostNetwork: true } },
    { labels: { 'sidecar.istio.io/inject': 'false' } },
    { annotations: { 'sidecar.istio.io/inject': 'false' } },
    { labels: { 'istio.io/dataplane-mode': 'ambient' } },
  ])
    assert.deepEqual(about(pod)?.review.response, { uid: 'u', allowed: true }, JSON.stringify(pod));
  assert.deepEqual(about({}, 'DELETE')?.review.response, { uid: 'u', allowed: true });
});

test('whatever a review holds, it is answered under its uid and version, allowed, without a patch and with short warnings', () => {
  const pods = fc.record({ metadata: fc.jsonValue(), spec: fc.jsonValue() }, { requiredKeys: [] });
  const objects = fc.oneof(fc.jsonValue(), pods);
  const versions = fc.constantFrom('admission.k8s.io/v1', 'admission.k8s.io/v1beta1');
  fc.assert(
    fc.property(objects, fc.jsonValue(), versions, fc.string(), (object, kind, apiVersion, uid) => {
      const request = { uid, operation: 'CREATE', namespace: 'apps', kind, object };
      const answered = injectionReview({ apiVersion, kind: 'AdmissionReview', request })?.review;
      const { patch, ...response } = (answered?.response ?? {}) as Record<string, unknown>;
      assert.deepEqual(
        [answered?.apiVersion, response['uid'], response['allowed'], patch],
        [apiVersion, uid, true, undefined],
      );
      for (const text of (response['warnings'] ?? []) as string[]) assert.ok(text.length <= 256);
    }),
  );
  for (const body of [undefined, null, [], 'x', { kind: 'AdmissionReview' }])
    assert.equal(injectionReview(body), undefined);
});
