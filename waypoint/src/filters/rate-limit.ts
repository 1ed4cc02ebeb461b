/** Step 6c: rate limits of the frontend and of the chosen rule, local ones first (spec/waypoint.md 4.5). Data thread. */
import { hrtime } from 'node:process';
import { type GlobalRateCheck, globalRateErrorReply, type LocalReply, type RateLimiter } from '@ambit/l7';
import type { Filter, RequestContext } from './request-context.ts';

/** Milliseconds of a clock that is the same in all threads of the process. */
const processMs = (): number => Number(hrtime.bigint()) / 1e6;

/** Takes tokens, or answers 429. */
export const rateLimit: Filter = (context) => {
  for (const limiter of limitersOf(context)) {
    const { reply, fields } = limiter.limit(context.request, processMs(), context.random);
    if (fields.length > 0)
      context.onResponse.push((headers) => {
        for (const [name, value] of fields) headers.append(name, value);
      });
    if (reply !== undefined) return reply;
  }
  const checks = checksOf(context);
  return checks.length === 0 ? undefined : askAll(context, checks);
};

/** Asks one service after the other; the first that says no ends it. */
const askAll = async (context: RequestContext, checks: readonly GlobalRateCheck[]): Promise<LocalReply | undefined> => {
  for (const check of checks) {
    const question = check.ask(context.request);
    if (question === undefined) continue;
    const verdict = await context.askRateLimit(check, question);
    if (context.isOver()) return undefined;
    context.record.explanation['rate_limit'] =
      verdict === undefined ? 'error' : verdict.reply === undefined ? 'ok' : 'over';
    if (verdict === undefined) {
      const reply = globalRateErrorReply(check.config);
      if (reply !== undefined) return reply;
      continue;
    }
    if (verdict.reply !== undefined) return verdict.reply;
    verdict.editRequest(context.request.headers);
    context.onResponse.push(verdict.editResponse);
  }
  return undefined;
};

const checksOf = ({ frontend, route, config }: RequestContext): readonly GlobalRateCheck[] => {
  const own = frontend.globalRateLimits();
  if (route === undefined || route.source.policies.length === 0) return own;
  return [...own, ...config.rulePolicies(route.source, frontend.port).globalRateLimits];
};

const limitersOf = ({ frontend, route, config }: RequestContext): readonly RateLimiter[] => {
  const own = frontend.rateLimiters();
  if (route === undefined || route.source.policies.length === 0) return own;
  return [...own, ...config.rulePolicies(route.source, frontend.port).rateLimiters];
};
