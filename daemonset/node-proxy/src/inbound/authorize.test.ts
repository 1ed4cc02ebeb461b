import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unquoted } from '@ambit/runtime/log-format';
import { createStateStore, identityOf, type Snapshot } from '@ambit/state';
import { testPolicy } from '@ambit/state/testing';
import { parseLocalState } from '../updates/local-file.ts';
import { authorize, decisionFields, denied, planPlaintext, planTunnel } from './authorize.ts';

const base = parseLocalState(`
workloads:
- { name: web, namespace: shop, serviceAccount: web, workloadIps: ["10.1.0.1"], protocol: HBONE, services: {} }
- { name: cart-1, namespace: shop, serviceAccount: cart, workloadIps: ["10.1.0.11"], protocol: HBONE, services: { "shop/cart.shop": { 80: 8080 } }, authorizationPolicies: ["istio-system/strict"] }
services:
- { name: cart, namespace: shop, hostname: cart.shop, vips: ["/10.96.0.20"], ports: { 80: 8080 } }
policies:
- { name: strict, namespace: istio-system, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
`);
const snapshotOf = (policies = base.policies): Snapshot => {
  const store = createStateStore();
  store.apply({ ...base, policies });
  return store.snapshot();
};
const own = base.workloads[1] ?? assert.fail();
const remote = { ip: '10.1.0.1', port: 40_000 };
const illegalPorts = new Set([15001, 15006, 15008]);
const tunnel = (authority: Parameters<typeof planTunnel>[1]['authority']) =>
  planTunnel(snapshotOf(), {
    own,
    authority,
    remote,
    localIp: '10.1.0.11',
    illegalPorts,
    peer: 'spiffe://cluster.local/ns/shop/sa/web',
    forwardedNetwork: undefined,
    forwardedHost: undefined,
  });

test('a tunnel to the own address goes to the application, with source and service known', () => {
  const plan = tunnel({ kind: 'address', ip: '10.1.0.11', port: 8080 });
  assert.ok(plan.kind === 'forward');
  assert.deepEqual(plan.target, { ip: '10.1.0.11', port: 8080 });
  assert.equal(plan.source?.name, 'web');
  assert.equal(plan.service?.name, 'cart');
  assert.equal(authorize(snapshotOf(), plan.facts, 'deny').allow, true);
});

test('a tunnel to another address is 400, to the proxy itself 503', () => {
  const wrong = tunnel({ kind: 'address', ip: '10.1.0.12', port: 8080 });
  assert.ok(wrong.kind === 'refuse');
  assert.equal(wrong.status, 400);
  assert.equal(wrong.error.message, 'ip mismatch: 10.1.0.11 != 10.1.0.12');
  const self = tunnel({ kind: 'address', ip: '10.1.0.11', port: 15008 });
  assert.ok(self.kind === 'refuse');
  assert.equal(self.status, 503);
});

test('STRICT denies plaintext and names its policy', () => {
  const plan = planPlaintext(snapshotOf(), { own, remote, destination: { ip: '10.1.0.11', port: 8080 }, illegalPorts });
  assert.ok(plan.kind === 'forward');
  const decision = authorize(snapshotOf(), plan.facts, 'deny');
  assert.ok(!decision.allow);
  assert.equal(
    denied(decision).message,
    'connection closed due to policy rejection: explicitly denied by: istio-system/strict',
  );
});

test('the record of a refusal names both workloads, their identities, the policy and its rule', () => {
  const plan = tunnel({ kind: 'address', ip: '10.1.0.11', port: 8080 });
  assert.ok(plan.kind === 'forward');
  const only = testPolicy('p', {
    action: 'DENY',
    rules: [[[{ destinationPorts: [1] }]], [[{ destinationPorts: [8080] }]]],
  });
  const decision = authorize(snapshotOf([{ ...only, namespace: own.namespace }]), plan.facts, 'upstream');
  assert.deepEqual(decisionFields(decision, plan.facts), {
    policy: `${own.namespace}/p`,
    rule: 1,
    'src.addr': unquoted(remote.ip),
    'src.workload': 'web',
    'src.identity': 'spiffe://cluster.local/ns/shop/sa/web',
    'dst.addr': unquoted('10.1.0.11:8080'),
    'dst.workload': own.name,
    'dst.namespace': own.namespace,
    'dst.identity': identityOf(own),
  });
});

test('a listed policy that is missing denies until it arrives, unless configured as upstream', () => {
  const plan = tunnel({ kind: 'address', ip: '10.1.0.11', port: 8080 });
  assert.ok(plan.kind === 'forward');
  assert.equal(authorize(snapshotOf([]), plan.facts, 'deny').allow, false);
  assert.equal(authorize(snapshotOf([]), plan.facts, 'upstream').allow, true);
});

test('a captured connection to a port of the proxy is a self call', () => {
  const plan = planPlaintext(snapshotOf(), {
    own,
    remote,
    destination: { ip: '10.1.0.11', port: 15006 },
    illegalPorts,
  });
  assert.equal(plan.kind, 'refuse');
});
