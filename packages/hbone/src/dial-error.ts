// The boundary between @ambit/net and the tunnel: what a failed dial is called. Pure; called by the pool.
import { NetError } from '@ambit/net';
import { connectTimedOut, HboneError } from './errors.ts';

/** Turns the rejection of `dial` into an HboneError; one that is already ours passes through. */
export function dialFailed(peer: string, cause: unknown): Error {
  if (HboneError.is(cause)) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!NetError.is(cause))
    return cause instanceof Error ? cause : new HboneError('ERR_HBONE_CONNECT', message, { cause });
  switch (cause.code) {
    case 'ERR_NET_CONNECT_TIMEOUT':
      return connectTimedOut(peer, cause);
    case 'ERR_NET_PEER_REFUSED':
      return new HboneError('ERR_HBONE_UNEXPECTED_PEER', `tls error: ${message}`, {
        cause,
        hint: 'the address may now belong to another workload, or the trust domains differ',
      });
    case 'ERR_NET_HANDSHAKE':
    case 'ERR_NET_HANDSHAKE_TIMEOUT':
      return new HboneError('ERR_HBONE_HANDSHAKE', `tls error: ${message}`, {
        cause,
        hint: 'check that the peer is in the mesh and that both sides trust the same root',
      });
    default:
      return new HboneError('ERR_HBONE_CONNECT', `io error: ${message}`, {
        cause,
        hint: 'check that a proxy listens for HBONE at the destination',
      });
  }
}
