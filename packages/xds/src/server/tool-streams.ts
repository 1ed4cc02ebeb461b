// In: state-of-the-world streams. Out: answers to debug tools, one request at a time; everybody else is told to use the delta
// stream. Called by: server.ts. Owns its calls from accept to end. Main thread. Source: spec control-plane 4.1, 9.2.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { DiscoveryRequest } from '@ambit/proto/discovery';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import { XdsError } from '../errors.ts';
import type { ClientIdentity } from './client-info.ts';
import { type AnswerDebug, type EncodedAnswer, encodeAnswer, isDebugType } from './debug-stream.ts';
import { type XdsNode, parseNode } from './node.ts';

/** A stream as gRPC hands it over; responses are encoded already. */
export type ToolCall = ServerDuplexStream<DiscoveryRequest, Buffer>;

/** What the streams need of the server. */
export interface ToolStreamParts {
  /** Who calls; rejects when nobody may be served now, or not this caller. */
  enter(call: ToolCall, isTls: boolean): Promise<ClientIdentity | undefined>;
  readonly answer: AnswerDebug | undefined;
  /** Throws a good reason for clients that want resources. */
  authorize(node: XdsNode, identity: ClientIdentity | undefined): void;
  /** Ends a call with the status of an error. */
  refuse(call: ToolCall, error: unknown): void;
  readonly log: Logger;
}

/** Streams that may be open at once. */
const MAX_STREAMS = 100;

/** Makes the handler of the method. */
export function createToolStreams(parts: ToolStreamParts): {
  handle(call: ToolCall, isTls: boolean): void;
  /** Ends all streams with OK. */
  end(): void;
} {
  const calls = new Set<ToolCall>();

  const accept = async (call: ToolCall, isTls: boolean): Promise<void> => {
    if (calls.size >= MAX_STREAMS) throw new XdsError('ERR_XDS_LIMIT', `more than ${MAX_STREAMS} debug streams`);
    calls.add(call);
    const leave = (): void => void calls.delete(call);
    call.on('cancelled', leave);
    call.on('close', leave);
    call.on('end', () => call.end());
    const identity = await parts.enter(call, isTls);
    if (call.cancelled) return;
    let node: XdsNode | undefined;
    let nonce = '';
    const take = async (request: DiscoveryRequest): Promise<void> => {
      node ??= parseNode(request.node);
      // Tools put any nonce into their first question: only ours makes it an acknowledgement.
      if (nonce === '' || request.responseNonce !== nonce) {
        const answer = await answerTo(parts, request, node, identity);
        nonce = answer.nonce;
        if (!call.cancelled) call.write(answer.bytes);
      }
      call.resume();
    };
    call.on('data', (request: DiscoveryRequest) => {
      call.pause();
      const done = take(request).catch((error: unknown) => parts.refuse(call, error));
      background(parts.log, 'debug request', done);
    });
  };

  return {
    handle(call, isTls) {
      call.on('error', () => undefined);
      const done = accept(call, isTls).catch((error: unknown) => {
        calls.delete(call);
        parts.refuse(call, error);
      });
      background(parts.log, 'debug stream', done);
    },
    end() {
      for (const call of calls) call.end();
      calls.clear();
    },
  };
}

/** The answer to a request. */
async function answerTo(
  parts: ToolStreamParts,
  { typeUrl, resourceNames }: DiscoveryRequest,
  node: XdsNode,
  identity: ClientIdentity | undefined,
): Promise<EncodedAnswer> {
  if (parts.answer === undefined || !isDebugType(typeUrl)) {
    parts.authorize(node, identity);
    throw new XdsError('ERR_XDS_UNSUPPORTED_CLIENT', 'resources are served on delta streams only');
  }
  return encodeAnswer(typeUrl, await parts.answer({ typeUrl, names: resourceNames, node, identity }));
}
