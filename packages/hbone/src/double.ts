// Double HBONE: a second TLS handshake and a second CONNECT inside an open tunnel (spec node-proxy 2.7). The inner
// connection carries exactly one stream and is never pooled. Called by outbound code of the node proxy.
import { type Endpoint, secureClient, type TlsContext, type VerifyPeer } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import { type ByteEngine, currentByteEngine } from './byte-engine.ts';
import { dialFailed } from './dial-error.ts';
import { DEFAULT_LIMITS, type HboneLimits, type OpenOptions, type TunnelStream } from './tunnel.ts';

/** What the inner tunnel needs. */
export interface InnerTunnelOptions<Peer> extends OpenOptions {
  readonly tls: TlsContext;
  /** Must expect the service's identities, not the gateway's. */
  readonly verifyPeer: VerifyPeer<Peer>;
  readonly log: Logger;
  readonly limits?: Partial<HboneLimits>;
  /** Default: the engine of this thread. */
  readonly engine?: ByteEngine;
}

/** Opens the inner tunnel; owns `outer` from the call on and ends it with the inner stream. Rejects with an HboneError. */
export async function openInnerTunnel<Peer>(
  outer: Endpoint,
  options: InnerTunnelOptions<Peer>,
): Promise<TunnelStream<Peer>> {
  const { tls, verifyPeer, signal, timeoutMs } = options;
  const engine = options.engine ?? currentByteEngine();
  try {
    const endpoint = await secureClient(outer, tls, {
      verifyPeer,
      engine: engine.secure,
      ...(signal === undefined ? {} : { signal }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    const session = engine.sessions.client(endpoint, {
      peerName: options.authority,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      log: options.log,
      onChange: (changed) => {
        if (changed.activeStreams === 0) changed.close();
      },
    });
    session.tryReserve();
    return await session.open(options);
  } catch (error) {
    throw dialFailed(options.authority, error);
  }
}
