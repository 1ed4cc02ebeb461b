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
  HeaderList,
  httpCheckOf,
  httpVerdictOf,
} from '@ambit/l7';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema } from '@ambit/proto/ext-authz';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { RequestContext } from '../filters/request-context.ts';
import type { BackendAnswer, BackendCall, CallBackend } from './call-backend.ts';

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
  const frame = Buffer.alloc(5 + message.byteLength);
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, 5);
  const timeout = `${Math.min(99_999_999, Math.ceil(base.timeoutMs))}m`;
  const answer = await call({
    ...base,
    method: 'POST',
    target: CHECK_PATH,
    authority: base.backend.hostname,
    headers: HeaderList.fromRaw(['content-type', 'application/grpc', 'te', 'trailers', 'grpc-timeout', timeout]),
    body: frame,
    isHttp2: true,
  });
  return grpcVerdictOf(fromBinary(CheckResponseSchema, messageBytes(answer)));
};

/** The one uncompressed message of a unary answer; throws for any other answer. */
const messageBytes = ({ status, headers, trailers, body }: BackendAnswer): Buffer => {
  const grpcStatus = trailers.get('grpc-status') ?? headers.get('grpc-status');
  if (status !== 200 || grpcStatus !== '0') {
    throw new Error(`status ${status}, grpc-status ${grpcStatus ?? 'absent'}`);
  }
  if (body.byteLength < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.byteLength - 5) {
    throw new Error(`answer of ${body.byteLength} bytes is not one plain message`);
  }
  return body.subarray(5);
};
