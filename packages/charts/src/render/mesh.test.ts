import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { renderMesh } from './mesh.ts';

const find = (objects: readonly KubernetesObject[], kind: string, name: string): unknown =>
  objects.find((object) => object.kind === kind && object.metadata?.name === name);

test('an installation holds the objects that people look for, under the names they know', () => {
  const objects = renderMesh();
  for (const [kind, name] of [
    ['Deployment', 'istiod'],
    ['Service', 'istiod'],
    ['ConfigMap', 'istio'],
    ['DaemonSet', 'ztunnel'],
    ['DaemonSet', 'istio-cni-node'],
    ['CustomResourceDefinition', 'gateways.gateway.networking.k8s.io'],
    ['CustomResourceDefinition', 'authorizationpolicies.security.istio.io'],
  ] as const) {
    assert.ok(find(objects, kind, name), `${kind} ${name}`);
  }
});

test('definitions and the namespace come before what needs them', () => {
  const kinds = renderMesh().map((object) => object.kind);
  assert.ok(kinds.lastIndexOf('CustomResourceDefinition') < kinds.indexOf('Namespace'));
  assert.ok(kinds.indexOf('Namespace') < kinds.indexOf('Deployment'));
});

test('the drain limit reaches both the pod and the proxy', () => {
  const text = JSON.stringify(
    find(renderMesh({ ztunnel: { terminationGracePeriodSeconds: 77 } }), 'DaemonSet', 'ztunnel'),
  );
  assert.match(text, /"terminationGracePeriodSeconds":77/);
  assert.match(text, /"TERMINATION_GRACE_PERIOD_SECONDS","value":"77"/);
});

test('values of one component leave the defaults of the others alone', () => {
  const text = JSON.stringify(renderMesh({ cni: { env: { AMBIT_X: 'y' } } }));
  assert.match(text, /"AMBIT_X":"y"/);
  assert.match(text, /"AMBIENT_ENABLED":"true"/);
});
