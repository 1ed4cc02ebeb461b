// A circuit breaker: more requests at once than allowed are refused with 503.
import { kinds } from '../../../cluster/kinds.ts';
import type { BurstResult } from '../../load-client.ts';
import { shop, type Stage } from '../../stage.ts';
import { ratings, type RequestRule, until } from './rule.ts';

const breaker = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'ratings-breaker', namespace: shop },
  spec: { host: 'ratings', trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } } },
};

async function circuitBreaker(stage: Stage): Promise<string> {
  await stage.api.apply(breaker);
  const order = { ...ratings, count: 400, concurrency: 32 };
  const isOpen = ({ statuses }: BurstResult): boolean => (statuses['503'] ?? 0) > 0 && (statuses['200'] ?? 0) > 0;
  const result = await until(stage, 'the overflow', order, isOpen);
  await stage.api.delete({ ...kinds.destinationRule, namespace: shop, name: 'ratings-breaker' });
  const free = ({ statuses }: BurstResult): boolean => statuses['200'] === order.count;
  await until(stage, 'the end of the limit', order, free);
  return `one request at a time allowed: of 400, 32 at once, ${result.statuses['503'] ?? 0} were refused with 503; without the rule none`;
}

/** DestinationRule with a limit of active requests. */
export const circuitBreakerRule: RequestRule = {
  command: 'kubectl apply -f ratings-breaker.yaml   # DestinationRule: one request at a time',
  show: circuitBreaker,
};
