import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { decide } from '../explain/decide.ts';
import { policyFor as policy, shopObjects as objects } from '../explain/testing/shop.ts';
import { worldOf } from '../explain/world.ts';
import { allFlows, questionOf } from './question.ts';
import { changedFlows, triedFlow, withChanges, withoutObjects } from './simulate.ts';
import { enforcementPoints } from './where.ts';

const outcome = (given: readonly KubernetesObject[], from: string): string => {
  const world = worldOf(given, {}, 'istio-system');
  const question = questionOf(world, { from, to: 'shop/web', port: 80 });
  return typeof question === 'string' ? question : decide(world, question).summary;
};

test('a connection is followed to its endpoint and judged as the node proxy there judges it', () => {
  assert.equal(outcome(objects, 'shop/client'), 'ALLOWED');
  assert.equal(outcome([...objects, policy('client')], 'shop/client'), 'ALLOWED');
  assert.match(outcome([...objects, policy('client')], 'shop/other'), /^DENIED at shop\/web/);
  assert.match(outcome([...objects, policy('client', 'DENY')], 'shop/client'), /^DENIED at shop\/web/);
});

test('a simulation names exactly the flows that a change decides otherwise', () => {
  const before = worldOf(objects, {}, 'istio-system');
  const after = worldOf(withChanges(objects, [policy('client')], []), {}, 'istio-system');
  const changes = changedFlows(before, after, allFlows(after, {}).map(triedFlow));
  assert.deepEqual(changes.map(({ flow }) => flow.from).toSorted(), ['shop/sa/other', 'shop/sa/web']);
  assert.deepEqual(
    changedFlows(
      after,
      worldOf(withChanges([...objects, policy('client')], [], ['web.shop']), {}, 'istio-system'),
      allFlows(after, {}).map(triedFlow),
    ).length,
    2,
  );
});

test('a policy is enforced where its pods run, and one that selects nothing by nobody', () => {
  const world = worldOf([...objects, policy('client')], {}, 'istio-system');
  assert.deepEqual(enforcementPoints(world, 'shop/web'), [{ by: 'node proxy', subject: 'pod shop/web', node: 'n1' }]);
  assert.deepEqual(enforcementPoints(world, 'shop/none'), []);
});

test('of two revisions a policy that the newer one lacks is gone, although the cluster has it', () => {
  const cluster = [...objects, policy('client')];
  const base = withoutObjects(cluster, [policy('client')]);
  const before = worldOf(withChanges(base, [policy('client')], []), {}, 'istio-system');
  const after = worldOf(base, {}, 'istio-system');
  const opened = changedFlows(before, after, allFlows(after, {}).map(triedFlow)).filter(({ after: text }) =>
    text.startsWith('ALLOWED'),
  );
  assert.deepEqual(opened.map(({ flow }) => flow.from).toSorted(), ['shop/sa/other', 'shop/sa/web']);
});
