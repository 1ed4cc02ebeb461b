// A canary by header: marked requests go to v3, all others to v1.
import { reviewsRoute } from '../../reviews-route.ts';
import type { Stage } from '../../stage.ts';
import { expect } from '../../step.ts';
import { type RequestRule, until } from './rule.ts';

const canary = reviewsRoute([
  {
    matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }],
    backendRefs: [{ name: 'reviews-v3', port: 9080 }],
  },
  { backendRefs: [{ name: 'reviews-v1', port: 9080 }] },
]);

async function canaryByHeader(stage: Stage): Promise<string> {
  await stage.api.apply(canary);
  const order = { host: 'reviews:9080', path: '/reviews/0', count: 20 };
  const marked = { ...order, headers: { 'x-canary': 'yes' } };
  const chosen = await until(stage, 'the canary', marked, ({ versions }) => versions['v3'] === 20);
  const others = await stage.load.burst(order);
  expect(others.versions['v1'] === 20, 'requests without the header left v1', JSON.stringify(others));
  return `x-canary: yes: ${chosen.versions['v3'] ?? 0} of 20 answered by v3; without it 20 of 20 by v1`;
}

/** HTTPRoute with a header match. */
export const canaryRule: RequestRule = {
  command: 'kubectl apply -f reviews-canary.yaml    # HTTPRoute: x-canary: yes to v3, the rest to v1',
  show: canaryByHeader,
};
