// Capture in a local cluster without rights: applications find the node proxy by themselves (SOCKS5 on their own address), so there are
// no rules and no namespaces. Called by app.ts.
import type { CaptureBackend } from '../enrol/capture-backend.ts';
import { NodeAgentError } from '../errors.ts';

/** Capture without rules. */
export const loopbackCapture: CaptureBackend = {
  hasNamespaces: false,
  host: undefined,
  find: () => new Map(),
  openPath: (path) => {
    throw new NodeAgentError('ERR_NODE_AGENT_NETNS', `loopback capture has no namespaces, not even ${path}`);
  },
  prepare: async () => undefined,
  installRules: async () => undefined,
  removeRules: async () => undefined,
  printRules: async () => '',
};
