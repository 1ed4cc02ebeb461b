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

const virtualService = (spec: object): KubernetesObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'x', namespace: 'apps' },
  spec,
});

test('values of the wrong type are told in the words of the reader, numbers may be texts', () => {
  const told = (spec: object): readonly string[] => validateObject(virtualService(spec)).errors;
  assert.deepEqual(told({ hosts: 'web' }), [
    'cannot parse proto message: json: cannot unmarshal string into Go value of type []json.RawMessage',
  ]);
  assert.deepEqual(told({ http: [{ timeout: '10' }] }), [
    'cannot parse proto message: bad Duration: time: missing unit in duration "10"',
  ]);
  const route = [{ destination: { host: 'web', port: { number: '80' } } }];
  assert.deepEqual(told({ hosts: ['web'], http: [{ route }] }), []);
  assert.deepEqual(told({ hosts: ['web'], http: [{ route, match: [{ uri: { exact: '/a', prefix: '' } }] }] }), []);
});

test('a prefix that covers a later one is told with both names', () => {
  const route = [{ destination: { host: 'web' } }];
  const http = [
    { name: 'a', match: [{ uri: { prefix: '/a' } }], route },
    { match: [{ name: 'm', uri: { prefix: '/ab' } }], route },
  ];
  assert.deepEqual(validateObject(virtualService({ hosts: ['web'], http })).warnings, [
    'virtualService rule #1 match "m" of prefix /ab is not used (duplicate/overlapping match in rule #0 of prefix /a on "a")',
  ]);
});

test('places of load balancing may not overlap', () => {
  const told = (places: readonly string[]): readonly string[] =>
    validateObject({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'x', namespace: 'apps' },
      spec: {
        host: 'web',
        trafficPolicy: {
          loadBalancer: { localityLbSetting: { distribute: places.map((from) => ({ from, to: { r: 100 } })) } },
        },
      },
    }).errors;
  assert.deepEqual(told(['r/z', 'r/y', 'q']), []);
  assert.deepEqual(told(['r/*', 'r/z']), ['locality r/z overlap with previous specified ones']);
  assert.deepEqual(told(['r//s']), ['locality r//s must not contain empty region/zone/subzone info']);
});
