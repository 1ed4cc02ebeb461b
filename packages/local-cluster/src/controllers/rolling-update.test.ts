import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRollingStep, rollingBounds } from './rolling-update.ts';

const set = (
  name: string,
  replicas: number,
  available = replicas,
): { name: string; replicas: number; available: number } => ({ name, replicas, available });

test('percentages round up for surge and down for unavailability', () => {
  assert.deepEqual(rollingBounds(4, undefined, undefined), { surge: 1, unavailable: 1 });
  assert.deepEqual(rollingBounds(2, '25%', '25%'), { surge: 1, unavailable: 0 });
  assert.deepEqual(rollingBounds(3, 0, 0), { surge: 0, unavailable: 1 });
});

test('a rollout never has fewer available pods or more pods than allowed, and ends', () => {
  for (const [desired, surge, unavailable] of [
    [2, '25%', '25%'],
    [5, 2, 1],
    [3, 0, 1],
    [1, 1, 0],
    [10, '30%', '30%'],
  ] as const) {
    const bounds = rollingBounds(desired, surge, unavailable);
    let current = set('new', 0);
    let old = set('old', desired);
    for (let step = 0; step < 100 && (old.replicas > 0 || current.replicas < desired); step += 1) {
      const plan = planRollingStep({ desired, maxSurge: surge, maxUnavailable: unavailable, current, older: [old] });
      const next = plan.get('new') ?? current.replicas;
      const rest = plan.get('old') ?? old.replicas;
      assert.ok(next + rest <= desired + bounds.surge, 'too many pods');
      assert.ok(Math.min(current.available, next) + rest >= desired - bounds.unavailable, 'too few available');
      // Every new pod becomes available before the next step.
      current = set('new', next);
      old = set('old', rest);
    }
    assert.deepEqual([current.replicas, old.replicas], [desired, 0]);
  }
});

test('pods that never became available are removed first', () => {
  const plan = planRollingStep({
    desired: 2,
    maxSurge: 1,
    maxUnavailable: 0,
    current: set('new', 1, 0),
    older: [set('broken', 1, 0), set('good', 2)],
  });
  assert.equal(plan.get('broken'), 0);
  assert.equal(plan.get('good'), undefined);
});
