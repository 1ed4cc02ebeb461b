// One CONNECT on its way from either framing to the owner of the server: answered with 400, or offered. In: a request whose head was read.
// Called by the server sessions in http2/ and framed/. Data threads.
import type { Logger } from '@ambit/runtime/log';
import { MAX_AUTHORITY_BYTES, type ServerSessionOptions } from './session.ts';
import type { TunnelRequest } from './tunnel.ts';

/** Answers 400 and tells the owner what was wrong. */
export function answerMalformed<Peer>(
  request: TunnelRequest<Peer>,
  reason: string,
  options: ServerSessionOptions<Peer>,
): void {
  request.reject(400);
  options.onMalformed(request, reason);
}

/** Hands a CONNECT to the owner; one whose authority is too long is malformed, one that the owner fails on is answered with 503. */
export function offerTunnel<Peer>(request: TunnelRequest<Peer>, options: ServerSessionOptions<Peer>): void {
  if (request.authority.length > MAX_AUTHORITY_BYTES) return answerMalformed(request, 'authority too long', options);
  try {
    options.onTunnel(request);
  } catch (error) {
    options.log.error('tunnel handler failed', { error: error instanceof Error ? error.message : String(error) });
    request.reject(503, 'internal error');
  }
}

/** Why a CONNECT was refused, which its peer is not told. */
export function logRefusal(log: Logger, peer: string, authority: string, status: number, message?: string): void {
  if (message === undefined) return;
  log.debug('tunnel refused', { peer, authority: authority.slice(0, MAX_AUTHORITY_BYTES), status, reason: message });
}
