// Errors of the node agent: thrown by the steps of an enrolment, logged and classed by enrol/sequence.ts.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link NodeAgentError}. */
export type NodeAgentErrorCode =
  /** A variable of the environment cannot be used. */
  | 'ERR_NODE_AGENT_CONFIG'
  /** The network namespace of a pod was not found or cannot be opened. */
  | 'ERR_NODE_AGENT_NETNS'
  /** A program that installs or removes traffic rules failed; the message has what it said. */
  | 'ERR_NODE_AGENT_RULES'
  /** No node proxy is connected, so nobody can take the pod. */
  | 'ERR_NODE_AGENT_NO_PROXY'
  /** The node proxy left, was silent for too long, or sent something that is no ZDS message. */
  | 'ERR_NODE_AGENT_ZDS'
  /** The node proxy refused to take the pod, or to let it go; the message has its reason. */
  | 'ERR_NODE_AGENT_NACK'
  /** What an earlier agent recorded of unprotected connections cannot be read, or this one's record cannot be written. */
  | 'ERR_NODE_AGENT_RECORD';

/** Why a pod could not be enrolled or removed. Whether a retry can help is the sequence's decision, by code. */
export class NodeAgentError extends CodedError<NodeAgentErrorCode> {
  override readonly name = 'NodeAgentError';
}
