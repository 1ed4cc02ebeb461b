/**
 * One pod's tunnels on one data thread: pool keys in, verified TLS connections dialled for it.
 *
 * Called by `threads/pod-traffic.ts`. The pool and its HTTP/2 are `@ambit/hbone`; here is only how to dial: from the
 * pod's namespace, without source spoofing, with the source identity's certificate (spec/node-proxy.md 2.6).
 */
import { createHbonePool, type HbonePool } from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import { connect, secureClient } from '@ambit/net';
import { isRevoked, revokedPeer } from '../telemetry/response-flags.ts';
import type { PodAssignment } from '../threads/messages.ts';
import type { ThreadContext } from '../threads/pod-context.ts';
import { hboneLimits, socketOptions } from './upstream-options.ts';

/** Time for the TLS handshake of a new tunnel; ztunnel has none, a stuck peer would hold all waiters. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Makes the pool of a pod. The owner closes or destroys it. */
export function createPodPool(thread: ThreadContext, pod: PodAssignment): HbonePool<PeerIdentity> {
  return createHbonePool<PeerIdentity>({
    limits: hboneLimits(thread.config),
    log: thread.log.child('pool'),
    async dial(key, { signal }) {
      const identity = await thread.certificates.get(key.source);
      const to = splitAddress(key.destination);
      const socket = await connect(pod.domain, { ...socketOptions(thread.config), ...to, signal });
      return countRevoked(thread, () =>
        secureClient(socket, identity.context, {
          verifyPeer: identity.verifyServer(key.expected),
          timeoutMs: HANDSHAKE_TIMEOUT_MS,
          signal,
        }),
      );
    },
  });
}

/** Runs a handshake; a revoked peer is counted once and named in the error. */
export async function countRevoked<T>(thread: ThreadContext, handshake: () => Promise<T>): Promise<T> {
  try {
    return await handshake();
  } catch (error) {
    if (!isRevoked(error)) throw error;
    thread.revoked.source += 1;
    throw revokedPeer(error);
  }
}

/** `ip:port` of a pool key, which we wrote ourselves. */
function splitAddress(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(text.slice(at + 1)) };
}
