// Capture in a local cluster without rights: applications find the node proxy by themselves (SOCKS5 on their own address), so there are
// no rules and no namespaces. Called by app.ts.
import type { CaptureBackend } from '../enrol/capture-backend.ts';
import { NodeAgentError } from '../errors.ts';
import { podConnections } from '../unprotected/pod-table.ts';

const nothing = { rules: '', way: '', generation: undefined };

/** Capture without rules. */
export const loopbackCapture: CaptureBackend = {
  hasNamespaces: false,
  host: undefined,
  find: () => new Map(),
  openPath: (path) => {
    throw new NodeAgentError('ERR_NODE_AGENT_NETNS', `loopback capture has no namespaces, not even ${path}`);
  },
  prepare: async () => undefined,
  connections: podConnections,
  // A connection between two pods of the machine is in its table twice, and once more per proxy: nothing tells which one a proxy carries. The
  // first agent that sees the pod counts what is open then.
  uncarried: (pod) =>
    pod.capture === 'new' ? podConnections(pod).filter(({ remoteAddress }) => !pod.ips.includes(remoteAddress)) : [],
  installRules: async () => nothing,
  removeRules: async () => undefined,
  printRules: async () => nothing,
};
