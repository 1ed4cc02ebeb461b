// The failures of a TLS handshake, the same words for every engine. Pure. Used by secure.ts and secure-libssl.ts.
import type { SocketAddress } from './endpoint.ts';
import { NetError } from './errors.ts';

const nameOf = (remote: SocketAddress | undefined): string => remote?.ip ?? 'the peer';

/** It failed before the peer's identity was known. */
export function handshakeFailed(cause: Error, remote: SocketAddress | undefined): NetError {
  return new NetError('ERR_NET_HANDSHAKE', `TLS handshake with ${nameOf(remote)} failed: ${cause.message}`, { cause });
}

/** It took too long. */
export function handshakeTimedOut(remote: SocketAddress | undefined, timeoutMs: number): NetError {
  return new NetError(
    'ERR_NET_HANDSHAKE_TIMEOUT',
    `TLS handshake with ${nameOf(remote)} took longer than ${timeoutMs} ms`,
  );
}

/** `verifyPeer` refused the certificates, or there were none. */
export function peerRefused(cause: unknown, remote: SocketAddress | undefined): NetError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new NetError('ERR_NET_PEER_REFUSED', `certificate of ${nameOf(remote)} refused: ${why}`, { cause });
}
