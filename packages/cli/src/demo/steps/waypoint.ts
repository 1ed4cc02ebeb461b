// Step 5: a waypoint brings L7 policy: GET passes, DELETE is refused with 403.
import { kinds, labels } from '../../cluster/kinds.ts';
import { waitUntil } from '../../output/wait-until.ts';
import { waitUntilProgrammed } from '../../waypoint/apply.ts';
import { waypointGateway } from '../../waypoint/gateway.ts';
import { shop } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';

const policy = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'reviews-read-only', namespace: shop },
  spec: {
    targetRefs: [{ kind: 'Service', group: '', name: 'reviews' }],
    action: 'ALLOW',
    rules: [{ to: [{ operation: { methods: ['GET'] } }] }],
  },
};

/** Step 5 of the tour. */
export const waypointStep: TourStep = {
  number: 5,
  title: 'a waypoint brings L7 policy',
  commands: [
    `ambit waypoint apply -n ${shop} --enroll-namespace --wait`,
    'kubectl apply -f reviews-read-only.yaml   # AuthorizationPolicy: ALLOW GET, targetRef Service reviews',
  ],
  run: async (stage) => {
    await stage.api.apply(waypointGateway({ name: 'waypoint', namespace: shop }));
    await waitUntilProgrammed(stage.api, shop, 'waypoint', 60_000);
    await stage.api.patch(
      { ...kinds.namespace, name: shop },
      { metadata: { labels: { [labels.useWaypoint]: 'waypoint' } } },
    );
    await stage.api.apply(policy);
    await waitUntil('the 403', 20_000, async () => {
      const result = await stage.load.burst({ host: 'reviews:9080', path: '/reviews/0', method: 'DELETE' });
      return result.statuses['403'] === 1
        ? { value: true }
        : { missing: `DELETE still answers ${JSON.stringify(result.statuses)}` };
    });
    const read = await stage.load.burst({ host: 'reviews:9080', path: '/reviews/0', count: 20 });
    const removed = await stage.load.burst({ host: 'reviews:9080', path: '/reviews/0', method: 'DELETE', count: 20 });
    expect(read.statuses['200'] === 20, 'GET through the waypoint failed', JSON.stringify(read));
    expect(removed.statuses['403'] === 20, 'DELETE was not refused every time', JSON.stringify(removed));
    return ['GET /reviews/0: 20 of 20 answered 200', `DELETE /reviews/0: 20 of 20 answered 403 "${removed.sample}"`];
  },
};
