/** Step 6c: local rate limits of the frontend and of the chosen rule (spec/waypoint.md 4.5). Data thread. */
import type { RateLimiter } from '@ambit/l7';
import type { Filter, RequestContext } from './request-context.ts';

/** Takes tokens, or answers 429. */
export const rateLimit: Filter = (context) => {
  for (const limiter of limitersOf(context)) {
    const { reply, fields } = limiter.limit(context.request, performance.now(), context.random);
    if (fields.length > 0)
      context.onResponse.push((headers) => {
        for (const [name, value] of fields) headers.append(name, value);
      });
    if (reply !== undefined) return reply;
  }
  return undefined;
};

const limitersOf = ({ frontend, route, config }: RequestContext): readonly RateLimiter[] => {
  const own = frontend.rateLimiters();
  if (route === undefined || route.source.policies.length === 0) return own;
  return [...own, ...config.rulePolicies(route.source, frontend.port).rateLimiters];
};
