import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitions, kindOf, kinds, parseDocuments, problemsOf, storedKinds } from './index.ts';
import { testPod } from './testing/index.ts';

const allowed = new Set([
  'type',
  'properties',
  'items',
  'additionalProperties',
  'required',
  'enum',
  'description',
  'nullable',
  'pattern',
  'format',
  'minimum',
  'maximum',
  'maxItems',
  'minItems',
  'maxLength',
  'maxProperties',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
]);

function walk(schema: Record<string, unknown>): void {
  for (const key of Object.keys(schema)) assert.ok(allowed.has(key), `keyword ${key} is structural`);
  for (const child of Object.values((schema['properties'] ?? {}) as Record<string, Record<string, unknown>>))
    walk(child);
  if (schema['items'] !== undefined) walk(schema['items'] as Record<string, unknown>);
  if (schema['additionalProperties'] !== undefined) walk(schema['additionalProperties'] as Record<string, unknown>);
}

test('every custom kind has a definition with one storage version and a structural schema', () => {
  const crds = customResourceDefinitions();
  assert.equal(crds.length, Object.values(kinds).filter((k) => k.custom).length + storedKinds.length);
  for (const crd of crds) {
    const spec = crd['spec'] as {
      versions: { storage: boolean; schema: { openAPIV3Schema: Record<string, unknown> } }[];
    };
    assert.equal(spec.versions.filter((v) => v.storage).length, 1);
    for (const version of spec.versions) walk(version.schema.openAPIV3Schema);
  }
  const names = crds.map((crd) => crd.metadata?.name);
  assert.equal(new Set(names).size, names.length, 'no definition twice');
  assert.ok(crds.some((c) => c.metadata?.name === 'authorizationpolicies.security.istio.io'));
});

test('a good object has no problems and a bad one names the field', () => {
  assert.deepEqual(problemsOf('Pod', testPod('apps', 'web', '10.0.0.1')), []);
  const bad = { metadata: { name: 'x' }, spec: { action: 'MAYBE', rules: 'all' } };
  assert.deepEqual(
    problemsOf('AuthorizationPolicy', bad)
      .map((p) => p.path)
      .toSorted(),
    ['/spec/action', '/spec/rules'],
  );
});

test('a kind is known only in its own group', () => {
  assert.equal(kindOf({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' })?.plural, 'gateways');
  assert.equal(kindOf({ apiVersion: 'networking.istio.io/v1', kind: 'Gateway' }), undefined);
  assert.equal(kindOf({ apiVersion: 'v1', kind: 'toString' }), undefined);
});

test('documents are read, lists unfolded, broken text refused', () => {
  const objects = parseDocuments('kind: A\n---\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n');
  assert.deepEqual(
    objects.map((o) => o.kind),
    ['A', 'B', 'C'],
  );
  assert.throws(() => parseDocuments('a: [1'), SyntaxError);
  assert.throws(() => parseDocuments('- 1'), SyntaxError);
});
