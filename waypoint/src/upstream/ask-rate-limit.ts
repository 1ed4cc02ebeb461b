/**
 * A question to a rate limit service (spec/waypoint.md 4.5). In: a check and a context. Out: its verdict, or undefined when
 * the service gave none. Data thread.
 */
import { type GlobalRateCheck, type GlobalRateVerdict, globalRateVerdictOf, RATE_LIMIT_PATH } from '@ambit/l7';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type RateLimitRequest, RateLimitRequestSchema, RateLimitResponseSchema } from '@ambit/proto/rate-limit';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { RequestContext } from '../filters/request-context.ts';
import type { CallBackend } from './call-backend.ts';
import { callUnary } from './grpc-unary.ts';

const maxResponseBytes = 64 * 1024;

/** Asks. Never rejects. */
export type AskRateLimit = (
  context: RequestContext,
  check: GlobalRateCheck,
  question: RateLimitRequest,
) => Promise<GlobalRateVerdict | undefined>;

/** Binds questions to the pools of a data thread. */
export const createRateLimitAsker =
  (call: CallBackend, log: Logger): AskRateLimit =>
  async ({ config, snapshot, frontend, random }, check, question) => {
    try {
      const backend = config.backend(check.config.backend);
      if (backend === undefined) throw new Error(`backend ${check.config.backend} is not known`);
      const { timeoutMs } = check;
      const base = { backend, config, snapshot, frontend, random, timeoutMs, maxResponseBytes, isRepeatable: true };
      const bytes = await callUnary(call, base, RATE_LIMIT_PATH, toBinary(RateLimitRequestSchema, question));
      return globalRateVerdictOf(check.config, fromBinary(RateLimitResponseSchema, bytes));
    } catch (error) {
      log.warn('rate limit service failed', {
        backend: check.config.backend,
        error: messageOf(error),
        denies: check.config.denyOnError,
      });
      return undefined;
    }
  };
