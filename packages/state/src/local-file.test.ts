import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { readLocalFile } from './local-file.ts';
import { authorizeL4 } from './rbac.ts';
import { findWorkload } from './snapshot.ts';
import { resolveOutbound } from './resolve.ts';
import { testStore } from './testing/index.ts';

const file = {
  workloads: [
    {
      uid: 'east//v1/Pod/shop/cart-1',
      name: 'cart-1',
      namespace: 'shop',
      serviceAccount: 'cart',
      trustDomain: 'cluster.local',
      workloadIps: ['10.1.0.11'],
      protocol: 'HBONE',
      services: { 'shop/cart.shop.svc.cluster.local': { 80: 8080 } },
      authorizationPolicies: ['shop/only-web'],
    },
    { uid: 'east//v1/Pod/shop/legacy', namespace: 'shop', workloadIps: ['10.1.0.12'], protocol: 'TCP', services: {} },
  ],
  services: [
    {
      name: 'cart',
      namespace: 'shop',
      hostname: 'cart.shop.svc.cluster.local',
      vips: ['/10.96.0.20'],
      ports: { 80: 8080 },
      loadBalancer: { mode: 'Failover', routingPreferences: ['Network', 'Region'], healthPolicy: 'OnlyHealthy' },
    },
  ],
  policies: [
    {
      name: 'only-web',
      namespace: 'shop',
      scope: 'WorkloadSelector',
      action: 'Allow',
      dryRun: false,
      rules: [[[{ principals: [{ Exact: 'cluster.local/ns/shop/sa/web' }] }]]],
    },
  ],
};

test('a file configures a node without a control plane', () => {
  const result = readLocalFile(file);
  assert.ok(result.kind === 'ok', JSON.stringify(result));
  const snapshot = testStore(result.update).snapshot();
  const source = findWorkload(snapshot, '', '10.1.0.12');
  const destination = findWorkload(snapshot, '', '10.1.0.11');
  assert.ok(source !== undefined && destination !== undefined);
  const decision = resolveOutbound(snapshot, {
    source,
    sourceIp: '10.1.0.12',
    destination: { ip: '10.96.0.20', port: 80 },
  });
  assert.equal(decision.kind === 'hbone' && decision.authority, '10.1.0.11:8080');
  const facts = { destination, sourceIp: '10.1.0.12', destinationIp: '10.1.0.11', destinationPort: 8080 };
  assert.equal(authorizeL4(snapshot, facts).allow, false);
  assert.equal(
    authorizeL4(snapshot, { ...facts, sourceIdentity: 'spiffe://cluster.local/ns/shop/sa/web' }).allow,
    true,
  );
});

test('every problem is named with its place', () => {
  const result = readLocalFile({
    workloads: [{ namespace: 'a', workloadIps: ['10.0.0'], services: { odd: {} }, protocol: 'UDP', colour: 'red' }],
    policies: [{ ...file.policies[0], rules: [[[{ sourceIps: ['10.0.0.0/40'], principals: ['x'] }]]] }],
    more: 1,
  });
  assert.ok(result.kind === 'invalid');
  assert.deepEqual(result.problems.toSorted(), [
    'file.policies[0].rules[0][0][0].principals: expected Exact, Prefix, Suffix or Presence',
    'file.policies[0].rules[0][0][0].sourceIps: expected address/length',
    'file.workloads[0].protocol: expected one of TCP, HBONE',
    'file.workloads[0].services: odd is not namespace/hostname',
    'file.workloads[0].workloadIps[0]: expected an IP address',
    'file.workloads[0]: unknown key colour',
    'file: unknown key more',
  ]);
});

test('any value is read without throwing', () => {
  const keys = fc.constantFrom('workloads', 'services', 'policies', 'rules', 'vips', 'ports', 'namespace', '__proto__');
  fc.assert(
    fc.property(fc.anything({ key: keys, maxDepth: 4 }), (contents) => {
      readLocalFile(contents);
    }),
  );
});
