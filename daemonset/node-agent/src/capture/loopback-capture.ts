// Capture in a local cluster without rights: applications find the node proxy by themselves (SOCKS5 on their own address), so there are
// no rules and no namespaces. Called by app.ts.
import type { CaptureBackend } from '../enrol/sequence.ts';

/** Capture without rules. */
export const loopbackCapture: CaptureBackend = {
  host: undefined,
  open: () => undefined,
  installRules: async () => undefined,
  removeRules: async () => undefined,
};
