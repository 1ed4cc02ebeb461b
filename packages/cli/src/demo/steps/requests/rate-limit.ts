// A rate limit: ten requests an hour pass, the others are answered 429.
import { kinds } from '../../../cluster/kinds.ts';
import type { BurstResult } from '../../load-client.ts';
import { shop, type Stage } from '../../stage.ts';
import { expect } from '../../step.ts';
import { ratings, type RequestRule, until } from './rule.ts';

const tokens = 10;
const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

const limit = {
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'ratings-limit', namespace: shop },
  spec: {
    targetRefs: [{ group: '', kind: 'Service', name: 'ratings' }],
    configPatches: [
      {
        applyTo: 'HTTP_FILTER',
        match: { context: 'WAYPOINT' },
        patch: {
          operation: 'INSERT_BEFORE',
          value: {
            name: 'envoy.filters.http.local_ratelimit',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
              stat_prefix: 'ratings',
              token_bucket: { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: '3600s' },
              filter_enabled: always,
              filter_enforced: always,
            },
          },
        },
      },
    ],
  },
};

async function rateLimit(stage: Stage): Promise<string> {
  await stage.api.apply(limit);
  const order = { ...ratings, count: 4 * tokens };
  const answers = (result: BurstResult, status: string): number => result.statuses[status] ?? 0;
  await until(stage, 'the limit', order, (result) => answers(result, '429') > 0);
  // The limit may have come while that burst ran; this one it met from its first request on.
  const result = await stage.load.burst(order);
  const [passed, refused] = [answers(result, '200'), answers(result, '429')];
  expect(passed <= tokens && passed + refused === order.count, 'the limit was not kept', JSON.stringify(result));
  await stage.api.delete({ ...kinds.envoyFilter, namespace: shop, name: 'ratings-limit' });
  await until(stage, 'the end of the limit', order, (after) => answers(after, '200') === order.count);
  return `${tokens} requests an hour allowed: of ${order.count} more, ${refused} were refused with 429; without the rule none`;
}

/** EnvoyFilter with a token bucket for one service. */
export const rateLimitRule: RequestRule = {
  command: 'kubectl apply -f ratings-limit.yaml     # EnvoyFilter: ten requests an hour',
  show: rateLimit,
};
