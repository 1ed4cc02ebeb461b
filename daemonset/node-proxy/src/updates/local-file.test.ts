import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLocalState } from './local-file.ts';

const text = `
workloads:
- uid: east//v1/Pod/shop/cart-1
  name: cart-1
  namespace: shop
  serviceAccount: cart
  workloadIps: ["10.1.0.11"]
  protocol: HBONE
  services: { "shop/cart.shop.svc.cluster.local": { 80: 8080 } }
  waypoint: { destination: "net/10.1.0.99", hboneMtlsPort: 15008 }
  authorizationPolicies: ["shop/only-web"]
services:
- name: cart
  namespace: shop
  hostname: cart.shop.svc.cluster.local
  vips: ["/10.96.0.20"]
  ports: { 80: 8080 }
  loadBalancer: { mode: Failover, routingPreferences: [Network, Region], healthPolicy: OnlyHealthy }
policies:
- name: only-web
  namespace: shop
  scope: WorkloadSelector
  action: Allow
  dryRun: false
  rules:
  - - - principals: [!Exact cluster.local/ns/shop/sa/web]
        notPrincipals: [!Presence []]
        sourceIps: ["10.0.0.0/8"]
`;

test('the example of the specification is read', () => {
  const { workloads, services, policies } = parseLocalState(text);
  assert.equal(workloads[0]?.protocol, 'HBONE');
  assert.deepEqual(workloads[0]?.services, { 'shop/cart.shop.svc.cluster.local': { 80: 8080 } });
  assert.deepEqual(workloads[0]?.waypoint?.destination, { kind: 'address', network: 'net', ip: '10.1.0.99' });
  assert.deepEqual(services[0]?.vips, [{ network: '', ip: '10.96.0.20' }]);
  assert.equal(services[0]?.loadBalancer?.mode, 'FAILOVER');
  const match = policies[0]?.rules[0]?.[0]?.[0];
  assert.deepEqual(match?.principals, [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/web' }]);
  assert.deepEqual(match?.notPrincipals, [{ kind: 'presence' }]);
  assert.deepEqual(match?.sourceIps, [{ ip: '10.0.0.0', length: 8 }]);
});

test('an empty file is an empty state', () => {
  assert.deepEqual(parseLocalState(''), { workloads: [], services: [], policies: [] });
});

test('a typo is refused with its place', () => {
  const refused = (source: string, place: RegExp) => assert.throws(() => parseLocalState(source), { message: place });
  refused('workload: []', /the file\.workload is no known key/);
  refused('workloads: [{ namespace: a, workloadIps: [x] }]', /workloads\[0\]\.workloadIps\[0\] is not an address/);
  refused('policies: [{ name: a, namespace: b, scope: All, action: Deny, rules: [] }]', /scope is none of/);
  refused(
    'policies: [{ name: a, namespace: b, scope: Global, action: Deny, rules: [[[{ principals: [x] }]]] }]',
    /principals\[0\] is not one of/,
  );
  refused('a: [', /is no valid YAML/);
});
