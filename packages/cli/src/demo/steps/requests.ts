// Step 7: rules for single requests: a mirror, a canary by header, injected faults, tokens, a rate limit, a circuit breaker; each is
// seen to work.
import type { TourStep } from '../step.ts';
import { canaryRule } from './requests/canary.ts';
import { circuitBreakerRule } from './requests/circuit-breaker.ts';
import { faultRule } from './requests/fault.ts';
import { mirrorRule } from './requests/mirror.ts';
import { rateLimitRule } from './requests/rate-limit.ts';
import { tokenRule } from './requests/token.ts';

// The canary takes the place of the mirror: both are the route of reviews, and copies would make v3 ask ratings for stars.
const rules = [mirrorRule, canaryRule, faultRule, tokenRule, rateLimitRule, circuitBreakerRule];

/** Step 7 of the tour. */
export const requestsStep: TourStep = {
  number: 7,
  title: 'rules for single requests',
  commands: rules.map(({ command }) => command),
  run: async (stage) => {
    const facts: string[] = [];
    for (const rule of rules) facts.push(await rule.show(stage));
    return facts;
  },
};
