/** Fault injection: delay, then abort, two independent draws (spec/waypoint.md 3.7). Pure; data thread. */
import type { Fault } from '@ambit/proto/waypoint';
import { timerMs } from './duration.ts';
import { type LocalReply, localReply, replies } from './local-reply.ts';

/** What the draws said for one request. */
export interface FaultDecision {
  readonly delayMs: number | undefined;
  readonly abort: LocalReply | undefined;
}

/** A compiled fault; `random` gives numbers in [0, 1). */
export interface CompiledFault {
  decide(random: () => number): FaultDecision;
}

/** Compiles a fault. Shares are in parts per million. */
export const compileFault = (fault: Fault): CompiledFault => {
  const delayMs = timerMs(fault.delay);
  const abort = abortReply(fault);
  return {
    decide: (random) => ({
      delayMs: delayMs !== undefined && random() * 1e6 < fault.delayPpm ? delayMs : undefined,
      abort: abort !== undefined && random() * 1e6 < fault.abortPpm ? abort : undefined,
    }),
  };
};

const abortReply = (fault: Fault): LocalReply | undefined => {
  if (fault.abortHttp !== 0) return replies.faultAbort(fault.abortHttp);
  if (fault.abortGrpc === 0) return undefined;
  return localReply(200, '', 'fault_filter_abort', {
    flag: 'FI',
    headers: [
      ['content-type', 'application/grpc'],
      ['grpc-status', String(fault.abortGrpc)],
      ['grpc-message', 'fault filter abort'],
    ],
  });
};
