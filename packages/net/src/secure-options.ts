// What both TLS engines are asked for. Used by secure.ts, secure-libssl.ts and their callers.
import type { CancelSignal } from '@ambit/runtime/cancellation';
import type { SecureEngineName } from './secure-engine.ts';
import type { VerifyPeer } from './tls-context.ts';

/** Common to both roles. */
export interface SecureOptions<Peer> {
  readonly verifyPeer: VerifyPeer<Peer>;
  /** Protocols offered, default `['h2']`; empty = no ALPN. */
  readonly alpn?: readonly string[];
  /** Time for the handshake, default none. */
  readonly timeoutMs?: number;
  readonly signal?: CancelSignal;
  /** Default: the engine of this thread. */
  readonly engine?: SecureEngineName;
}

/** Client side. */
export interface SecureClientOptions<Peer> extends SecureOptions<Peer> {
  /** SNI; not sent by default, as in HBONE. */
  readonly servername?: string;
}

/** Server side. */
export interface SecureServerOptions<Peer> extends SecureOptions<Peer> {
  /** Default true: a peer without certificate is refused. */
  readonly requestClientCert?: boolean;
}
