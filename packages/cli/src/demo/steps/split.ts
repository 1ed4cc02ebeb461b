// Step 6: an HTTPRoute sends nine of ten requests to v1 and one to v3, measured over 1,000.
import { waitUntil } from '../../output/wait-until.ts';
import { reviewsRoute } from '../reviews-route.ts';
import { expect, type TourStep } from '../step.ts';

const requests = 1000;
const share = 0.1;
/** Bounds that a fair 10 % split leaves less than once in 100,000 runs: 4.5 standard deviations. */
const slack = 4.5 * Math.sqrt(requests * share * (1 - share));

const route = reviewsRoute([
  {
    backendRefs: [
      { name: 'reviews-v1', port: 9080, weight: 90 },
      { name: 'reviews-v3', port: 9080, weight: 10 },
    ],
  },
]);

/** Step 6 of the tour. */
export const splitStep: TourStep = {
  number: 6,
  title: 'a 90/10 split between versions',
  commands: ['kubectl apply -f reviews-90-10.yaml   # HTTPRoute: parentRef Service reviews, weights 90 and 10'],
  run: async (stage) => {
    await stage.api.apply(route);
    await waitUntil('the route', 20_000, async () => {
      const result = await stage.load.burst({ host: 'reviews:9080', path: '/reviews/0', count: 40 });
      return (result.versions['v2'] ?? 0) === 0
        ? { value: true }
        : { missing: `v2 still answers ${result.versions['v2'] ?? 0} of 40` };
    });
    const result = await stage.load.burst({
      host: 'reviews:9080',
      path: '/reviews/0',
      count: requests,
      concurrency: 8,
    });
    const v1 = result.versions['v1'] ?? 0;
    const v3 = result.versions['v3'] ?? 0;
    expect(
      v1 + v3 === requests,
      `${requests - v1 - v3} of ${requests} requests did not reach v1 or v3`,
      JSON.stringify(result),
    );
    expect(
      Math.abs(v3 - requests * share) <= slack,
      `v3 got ${v3} of ${requests}`,
      `a 10 % share lies within ${slack.toFixed(0)} of ${requests * share}`,
    );
    return [`${requests} requests: v1 ${v1}, v3 ${v3} (10 % share, accepted within ${slack.toFixed(0)})`];
  },
};
