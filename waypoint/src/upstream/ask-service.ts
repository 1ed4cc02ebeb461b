/**
 * A question of external authorization on its way to the service, over HTTP or gRPC (spec/waypoint.md 4.4).
 * In: check and question of @ambit/l7. Out: a verdict; whatever goes wrong is `error`. Data thread.
 */
import {
  CHECK_PATH,
  type ExtAuthzCheck,
  type ExtAuthzQuestion,
  type ExtAuthzVerdict,
  grpcCheckOf,
  grpcVerdictOf,
  httpCheckOf,
  httpVerdictOf,
} from '@ambit/l7';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema } from '@ambit/proto/ext-authz';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { RequestContext } from '../filters/request-context.ts';
import type { BackendCall, CallBackend } from './call-backend.ts';
import { callUnary } from './grpc-unary.ts';

/** Longest answer of a service. */
const maxResponseBytes = 1024 * 1024;

/** Asks a service. Never rejects. */
export type AskService = (
  context: RequestContext,
  check: ExtAuthzCheck,
  question: ExtAuthzQuestion,
) => Promise<ExtAuthzVerdict>;

/** Binds questions to the pools of a data thread. */
export const createServiceAsker =
  (call: CallBackend, log: Logger): AskService =>
  async (context, check, question) => {
    const { config, snapshot, frontend, random } = context;
    try {
      const backend = config.backend(check.config.backend);
      if (backend === undefined) throw new Error(`backend ${check.config.backend} is not known`);
      const { timeoutMs } = check;
      const base = { backend, config, snapshot, frontend, random, timeoutMs, maxResponseBytes, isRepeatable: true };
      return await (check.config.grpc ? askGrpc(call, base, check, question) : askHttp(call, base, check, question));
    } catch (error) {
      log.warn('authorization service failed', {
        provider: check.id,
        error: messageOf(error),
        fail_open: check.config.failOpen,
      });
      return { kind: 'error' };
    }
  };

type Base = Pick<
  BackendCall,
  'backend' | 'config' | 'snapshot' | 'frontend' | 'random' | 'timeoutMs' | 'maxResponseBytes' | 'isRepeatable'
>;

const askHttp = async (
  call: CallBackend,
  base: Base,
  { config }: ExtAuthzCheck,
  question: ExtAuthzQuestion,
): Promise<ExtAuthzVerdict> =>
  httpVerdictOf(config, await call({ ...base, ...httpCheckOf(config, question), isHttp2: false }));

const askGrpc = async (
  call: CallBackend,
  base: Base,
  { config }: ExtAuthzCheck,
  question: ExtAuthzQuestion,
): Promise<ExtAuthzVerdict> => {
  const message = toBinary(CheckRequestSchema, grpcCheckOf(config, question));
  const answer = await callUnary(call, base, CHECK_PATH, message);
  return grpcVerdictOf(fromBinary(CheckResponseSchema, answer));
};
