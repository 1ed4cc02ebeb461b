// What one change costs: counted in units of work, not in time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { Model, modelOptions } from './index.ts';

const NAMESPACES = 10;
const PODS = 20;

function mesh(): Model {
  const model = new Model(modelOptions());
  const objects: KubernetesObject[] = [];
  for (let n = 0; n < NAMESPACES; n++) {
    objects.push(testNamespace(`n${n}`), testService(`n${n}`, 'web', `10.96.0.${n + 1}`, { app: 'web' }));
    for (let p = 0; p < PODS; p++) {
      objects.push(testPod(`n${n}`, `web-${p}`, `10.${n}.0.${p + 1}`, { labels: { app: p < 5 ? 'web' : 'job' } }));
    }
  }
  model.apply(objects.map((object) => ({ type: 'upsert', object })));
  return model;
}

function costOf(model: Model, object: KubernetesObject): number {
  const before = model.recomputed;
  model.apply([{ type: 'upsert', object }]);
  return model.recomputed - before;
}

const policy = (namespace: string, labels?: Record<string, string>): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'p', namespace },
  spec: {
    ...(labels && { selector: { matchLabels: labels } }),
    rules: [{ from: [{ source: { namespaces: ['n1'] } }] }],
  },
});

test('an object costs one unit when it comes, however many there are', () => {
  const model = mesh();
  const cost = costOf(model, testPod('n1', 'new', '10.1.0.200', { labels: { app: 'web' } }));
  assert.ok(cost <= 3, `${cost} units`);
});

test('a pod that becomes ready costs one unit', () => {
  const model = mesh();
  const pod = testPod('n1', 'web-1', '10.1.0.2', { labels: { app: 'web' } });
  assert.equal(costOf(model, { ...pod, status: { ...pod.status, conditions: [] } }), 1);
});

test('the same object again costs nothing beyond itself', () => {
  const model = mesh();
  assert.ok(costOf(model, testService('n1', 'web', '10.96.0.2', { app: 'web' })) <= PODS);
  assert.ok(costOf(model, testNamespace('n1')) <= PODS + 5);
});

test('a policy touches the pods that it selects, in its namespace', () => {
  const model = mesh();
  assert.ok(costOf(model, policy('n1', { app: 'web' })) <= 5 + 2);
  assert.ok(costOf(model, policy('n2')) <= PODS + 3);
});

test('a Service touches the pods that it selects', () => {
  const model = mesh();
  const cost = costOf(model, testService('n1', 'jobs', '10.96.1.1', { app: 'job' }));
  assert.ok(cost <= PODS, `${cost} units`);
});
