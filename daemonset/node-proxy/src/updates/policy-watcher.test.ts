import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { createConnectionRegistry } from '../connections/registry.ts';
import { planPlaintext, type PolicyFacts } from '../inbound/authorize.ts';
import { parseLocalState } from './local-file.ts';
import { closeDenied, concerns } from './policy-watcher.ts';

const workload = (policies: string): string =>
  `{ uid: s, name: server, namespace: shop, workloadIps: ["10.1.0.2"], services: {}, authorizationPolicies: [${policies}] }`;
const denyAll = `{ name: deny, namespace: shop, scope: WorkloadSelector, action: Deny, rules: [[[{ destinationPorts: [80] }]]] }`;

test('a change of the own workload or of any policy is looked at, a change of another workload is not', () => {
  const store = createStateStore();
  const first = store.apply(parseLocalState(`workloads: [${workload('')}]`)).diff;
  assert.equal(concerns(first, 's'), true);
  assert.equal(concerns(first, 'other'), false);
  assert.equal(
    concerns({ ...first, shared: new SharedArrayBuffer(0), workloads: { upsert: [], remove: [] } }, 's'),
    true,
  );
  assert.equal(concerns(store.apply(parseLocalState(`policies: [${denyAll}]`)).diff, 'other'), true);
});

test('a connection is closed when its workload starts to list a policy that denies it', () => {
  const store = createStateStore();
  store.apply(parseLocalState(`{ workloads: [${workload('')}], policies: [${denyAll}] }`));
  const own = store.snapshot().workloads.get('s') ?? assert.fail();
  const registry = createConnectionRegistry<PolicyFacts>();
  const ended: string[] = [];
  for (const port of [80, 81]) {
    const plan = planPlaintext(store.snapshot(), {
      own,
      remote: { ip: '10.1.0.1', port: 1 },
      destination: { ip: '10.1.0.2', port },
      illegalPorts: new Set(),
    });
    assert.ok(plan.kind === 'forward');
    const dump = { direction: 'inbound', src: '', originalDst: null, actualDst: '', protocol: 'TCP' } as const;
    registry.register({ facts: plan.facts, dump, destroy: (reason) => ended.push(`${port} ${reason.message}`) });
  }
  const told: string[] = [];
  const close = (): number =>
    closeDenied(registry, store.snapshot(), 'deny', (decision) => {
      if (!decision.allow) told.push(decision.policy ?? '');
    });
  assert.equal(close(), 0);
  store.apply(parseLocalState(`workloads: [${workload('shop/deny')}]`));
  assert.equal(close(), 1);
  assert.deepEqual(told, ['shop/deny']);
  assert.deepEqual(ended, ['80 connection closed due to policy change']);
});
