import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { Model, modelOptions, type ObjectChange } from './index.ts';
import { testModel } from './testing/index.ts';

const options = modelOptions({
  discoverySelectors: [{ matchLabels: { mesh: 'yes' } }, { matchLabels: { team: 'a' } }],
});
const pod = testPod('apps', 'web-1', '10.0.0.1', { labels: { app: 'web' } });
const service = testService('apps', 'web', '10.96.0.10', { app: 'web' });
const inside = testNamespace('apps', { mesh: 'yes' });
const outside = testNamespace('apps', { mesh: 'no' });
const upsert = (object: typeof pod | typeof service | typeof inside): ObjectChange => ({ type: 'upsert', object });
const names = (model: Model): string[] => [...model.addresses.all()].map(({ name }) => name).toSorted();
const all = ['Kubernetes//Pod/apps/web-1', 'apps/web.apps.svc.cluster.local'];

test('objects of a namespace that no discovery selector matches are not there', () => {
  assert.deepEqual(names(testModel([outside, pod, service], options)), []);
  assert.deepEqual(names(testModel([pod, service], options)), [], 'nor those of a namespace not yet seen');
  assert.deepEqual(names(testModel([testNamespace('apps', { team: 'a' }), pod, service], options)), all);
});

test('a namespace brings its objects along when its labels begin to match, and takes them away', () => {
  const model = testModel([outside, pod, service], options);
  assert.deepEqual([...model.apply([upsert(inside)]).addresses.updated].toSorted(), all);
  assert.deepEqual([...model.apply([upsert(outside)]).addresses.removed].toSorted(), all);
  model.apply([{ type: 'delete', kind: 'Pod', namespace: 'apps', name: 'web-1' }, upsert(inside)]);
  assert.deepEqual(names(model), ['apps/web.apps.svc.cluster.local'], 'what was deleted meanwhile does not come back');
});

test('what is there depends on the labels of the namespace at the end, not on the order', () => {
  const changes = [upsert(inside), upsert(outside), upsert(pod), upsert(service)];
  fc.assert(
    fc.property(fc.shuffledSubarray(changes, { minLength: 4 }), fc.boolean(), (history, isInside) => {
      const model = new Model(options);
      for (const change of [...history, upsert(isInside ? inside : outside)]) model.apply([change]);
      assert.deepEqual(names(model), isInside ? all : []);
    }),
    { numRuns: 50 },
  );
});
