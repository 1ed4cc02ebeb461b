import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubernetesObject } from '@ambit/resources';
import { validateObject } from './index.ts';

const groups: Readonly<Record<string, readonly string[]>> = {
  'security.istio.io': ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'],
  'networking.istio.io': [
    'ServiceEntry',
    'WorkloadEntry',
    'WorkloadGroup',
    'DestinationRule',
    'VirtualService',
    'Gateway',
  ],
  'telemetry.istio.io': ['Telemetry'],
  'extensions.istio.io': ['WasmPlugin'],
};
const kinds = Object.entries(groups).flatMap(([group, list]) => list.map((kind) => ({ group, kind })));
const fields = [
  'rules',
  'from',
  'source',
  'hosts',
  'http',
  'match',
  'route',
  'ports',
  'servers',
  'jwtRules',
  'x',
  '__proto__',
];
const anySpec = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 5 }, fc.jsonValue(), tie('map'), fc.array(tie('value'), { maxLength: 3 })),
  map: fc.dictionary(fc.constantFrom(...fields), tie('value'), { maxKeys: 5 }),
})).map;

test('any object gets texts, never an exception', () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), anySpec, ({ group, kind }, spec) => {
      const object = { apiVersion: `${group}/v1`, kind, metadata: { name: 'x', namespace: 'apps' }, spec };
      for (const text of validateObject(object as KubernetesObject).errors) assert.equal(typeof text, 'string');
    }),
    { numRuns: 300 },
  );
});

test('kinds of other groups are not judged, fields on the top level are', () => {
  const gateway = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name: 'x' } };
  assert.deepEqual(validateObject(gateway).errors, []);
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'x' }, sepc: {} };
  assert.deepEqual(validateObject(policy).errors, ['unknown field "sepc"']);
});

test('a misspelled field deep inside a policy is found', () => {
  const spec = { rules: [{ from: [{ source: { principal: ['a'] } }] }] };
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'x' }, spec };
  assert.deepEqual(validateObject(policy).errors, [
    'cannot parse proto message: unknown field "principal" in istio.security.v1beta1.Source',
  ]);
});
