import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import fc from 'fast-check';
import { readConnections } from '../inpod/unprotected-client.ts';
import { judgeUnprotected } from './judge-unprotected.ts';
import { parseLocalState } from './local-file.ts';

const state = `
workloads:
- { uid: w, name: web, namespace: shop, serviceAccount: web, workloadIps: ["10.0.0.1"], protocol: HBONE, node: n1, services: {}, authorizationPolicies: ["shop/strict"] }
- { uid: o, name: open, namespace: shop, serviceAccount: open, workloadIps: ["10.0.0.2"], protocol: HBONE, node: n1, services: {} }
policies:
- { name: strict, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
`;

const connection = (id: string, name: string, ip: string) => ({
  id,
  workload: { name, namespace: 'shop', serviceAccount: name },
  source: { ip: '10.0.0.9', port: 40_000 },
  destination: { ip, port: 8080 },
});

test('a connection without identity to a pod under STRICT is denied, others are left alone', () => {
  const store = createStateStore();
  store.apply(parseLocalState(state));
  const snapshot = store.snapshot();
  const denied = judgeUnprotected(
    snapshot,
    [connection('1', 'web', '10.0.0.1'), connection('2', 'open', '10.0.0.2'), connection('3', 'unknown', '10.0.0.3')],
    { find: ({ name }) => [...snapshot.workloads.values()].find((one) => one.name === name), missing: 'deny' },
  );
  assert.deepEqual(denied, [{ id: '1', policy: 'shop/strict' }]);
});

test('entries of the list that are none are left out', () => {
  const good = connection('1', 'web', '10.0.0.1');
  assert.deepEqual(readConnections(JSON.stringify([good, 1, null, {}, { ...good, source: {} }])), [good]);
  assert.throws(() => readConnections('{}'), /did not send a list/);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      if (Array.isArray(value)) readConnections(JSON.stringify(value));
    }),
  );
});
