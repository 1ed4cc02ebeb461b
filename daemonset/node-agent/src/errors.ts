// Errors of the node agent: thrown by the steps of an enrolment, logged and classed by enrol/sequence.ts.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link NodeAgentError}. */
export type NodeAgentErrorCode =
  | 'ERR_NODE_AGENT_CONFIG'
  | 'ERR_NODE_AGENT_NETNS'
  | 'ERR_NODE_AGENT_RULES'
  | 'ERR_NODE_AGENT_NO_PROXY'
  | 'ERR_NODE_AGENT_ZDS'
  | 'ERR_NODE_AGENT_NACK';

/** Why a pod could not be enrolled or removed. Whether a retry can help is the sequence's decision, by code. */
export class NodeAgentError extends CodedError<NodeAgentErrorCode> {
  override readonly name = 'NodeAgentError';
}
