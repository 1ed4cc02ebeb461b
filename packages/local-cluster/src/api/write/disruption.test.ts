import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countBudget, refusalOfEviction, wantedReplicas } from './disruption.ts';

const pod = (name: string, isReady: boolean, extra: object = {}): object => ({
  metadata: { name, namespace: 'a', labels: { app: 'web' }, ownerReferences: [owner('ReplicaSet', 'rs')] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }], ...extra },
});
const owner = (kind: string, name: string): object => ({ kind, name, uid: `${name}-uid`, controller: true });
const budget = (spec: object): object => ({
  metadata: { name: 'pdb' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});
const objects: Record<string, object> = {
  'replicasets.apps/a/rs': { metadata: { ownerReferences: [owner('Deployment', 'web')] }, spec: { replicas: 1 } },
  'deployments.apps/a/web': { metadata: {}, spec: { replicas: 10 } },
};
const wanted = (each: unknown): { uid: string; replicas: number } | undefined =>
  wantedReplicas(each, (resource, namespace, name) => objects[`${resource}/${namespace}/${name}`]);

test('a share of the pods is a share of what their topmost owner wants', () => {
  const pods = [pod('one', true), pod('two', true)];
  assert.deepEqual(countBudget(budget({ minAvailable: '15%' }), pods, wanted), {
    expectedPods: 10,
    currentHealthy: 2,
    desiredHealthy: 2,
    disruptionsAllowed: 0,
  });
  assert.deepEqual(countBudget(budget({ maxUnavailable: 9 }), pods, wanted), {
    expectedPods: 10,
    currentHealthy: 2,
    desiredHealthy: 1,
    disruptionsAllowed: 1,
  });
});

test('a number of available pods counts the pods that are there', () => {
  const pods = [pod('one', true), pod('two', false), pod('three', true, { phase: 'Succeeded' })];
  const count = countBudget(budget({ minAvailable: 1 }), pods, wanted);
  assert.deepEqual(count, { expectedPods: 2, currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0 });
});

test('an eviction is refused when the budget is spent, and allowed where the pod serves nobody', () => {
  const spent = { expectedPods: 1, currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0 };
  const all = [budget({ minAvailable: 1 })];
  assert.deepEqual(
    refusalOfEviction(pod('one', true), all, () => spent),
    {
      kind: 'budget-spent',
      budget: 'pdb',
      count: spent,
    },
  );
  assert.equal(
    refusalOfEviction(pod('one', true, { phase: 'Failed' }), all, () => spent),
    undefined,
  );
  assert.equal(
    refusalOfEviction(pod('one', false), all, () => spent),
    undefined,
    'unready, the budget is met',
  );
  const broken = { ...spent, currentHealthy: 0 };
  assert.equal(refusalOfEviction(pod('one', false), all, () => broken)?.kind, 'budget-spent');
  const always = [budget({ minAvailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' })];
  assert.equal(
    refusalOfEviction(pod('one', false), always, () => broken),
    undefined,
  );
  assert.equal(refusalOfEviction(pod('one', true), [...all, ...all], () => spent)?.kind, 'several-budgets');
  assert.equal(
    refusalOfEviction(pod('one', true), [budget({ selector: { matchLabels: { app: 'x' } } })], () => spent),
    undefined,
  );
});
