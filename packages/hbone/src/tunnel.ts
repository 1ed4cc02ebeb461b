// The shapes that callers of @ambit/hbone see: tunnels offered by a peer, tunnels opened to one, keys and limits.
// Implemented by server.ts and pool.ts; used by the node proxy (inbound, outbound) and the waypoint, on data threads.
import type { Endpoint, SocketAddress } from '@ambit/net';
import type { CancelSignal } from '@ambit/runtime/cancellation';

/** Header fields by lower-case name; a repeated field is joined with commas. */
export type TunnelHeaders = Readonly<Record<string, string>>;

/**
 * A CONNECT that a peer sent and nobody answered yet. Answer exactly once, with `accept` or `reject`; a later answer
 * is ignored. When the peer gives up first, `onAbandoned` is called and `accept` returns an endpoint that is closed.
 */
export interface TunnelRequest<Peer = unknown> {
  /** `:authority` as sent, at most 1 KiB; parse it with `parseAuthority`. */
  readonly authority: string;
  /** All other fields, pseudo fields excluded. */
  readonly headers: TunnelHeaders;
  /** What `verifyPeer` returned for this connection. */
  readonly peer: Peer;
  /** The peer's socket address of the connection that carries this tunnel. */
  readonly remote: SocketAddress | undefined;
  /** Our socket address of that connection (the pod's address and 15008). */
  readonly local: SocketAddress | undefined;
  /** Called when the peer resets the stream or its connection ends before the answer. Set it late and it is called at once. */
  onAbandoned: ((reason: Error) => void) | undefined;
  /** Sends 200 and hands over the tunnel; the caller owns it. */
  accept(responseHeaders?: TunnelHeaders): Endpoint;
  /** Sends this status with END_STREAM. `message` goes to our log at level debug, not to the peer. */
  reject(status: number, message?: string): void;
}

/** Identifies tunnels that may share a connection (spec node-proxy 2.6). */
export interface PoolKey {
  /** Our own identity, whose certificate is shown. */
  readonly source: string;
  /** Where the connection goes: `ip:port`. */
  readonly destination: string;
  /** Identities the peer may have, in order. */
  readonly expected: readonly string[];
  /** The address of the source workload, when connections must not be shared between sources. */
  readonly sourceAddress?: string;
}

/** What to ask of the peer. */
export interface OpenOptions {
  /** `ip:port`, `[ipv6]:port` or, in double HBONE, `host:port`. */
  readonly authority: string;
  readonly headers?: TunnelHeaders;
  /** Gives up waiting; its reason becomes the error. */
  readonly signal?: CancelSignal;
  /** Whole time for dialling and the answer. Default none: the dial has its own limit. */
  readonly timeoutMs?: number;
}

/** An open tunnel. `close`/`destroy` end this stream only, not the connection it shares. */
export interface TunnelStream<Peer = unknown> extends Endpoint {
  readonly responseHeaders: TunnelHeaders;
  /** What `verifyPeer` returned for the connection. */
  readonly peer: Peer;
}

/** Limits of one HTTP/2 connection; the defaults are spec node-proxy 2.4 and decisions 6. */
export interface HboneLimits {
  /** Window of one stream, default 4 MiB. */
  readonly streamWindowBytes: number;
  /** Window of the connection, default 16 MiB. */
  readonly connectionWindowBytes: number;
  /** Largest frame we accept, default 1 MiB. */
  readonly maxFrameBytes: number;
  /** Streams a server lets a peer open, default 200. */
  readonly maxConcurrentStreams: number;
  /** Streams a client puts on one connection, default 100. */
  readonly maxStreamsPerConnection: number;
  /** Largest header list a server accepts, default 64 KiB. */
  readonly maxRequestHeaderBytes: number;
  /** Largest header list a client accepts, default 16 KiB. */
  readonly maxResponseHeaderBytes: number;
  /** A pooled connection without streams is closed after this time, default 300 s. */
  readonly unusedReleaseMs: number;
  /** Pooled connections without streams that are kept at most, default 500. */
  readonly maxIdleConnections: number;
  /** First PING after this time and then at this pace, default 10 s; 0 = never. */
  readonly pingIntervalMs: number;
  /** A PING without answer ends the connection, default 20 s. */
  readonly pingTimeoutMs: number;
  /** TLS handshake of an accepted connection, default 30 s. */
  readonly handshakeTimeoutMs: number;
  /** TLS handshakes under way from one address, default 512; what comes beyond is closed at once. */
  readonly maxHandshakesPerSource: number;
  /** TLS handshakes of an address whose connections broke the rules of HTTP/2 or met a limit: at once, then per second. Default 3 and 1. */
  readonly offenderHandshakeBurst: number;
  readonly offenderHandshakesPerSecond: number;
  /** Streams reset by the peer before we answered: burst, then per second. Default 1000 and 200. */
  readonly earlyResetBurst: number;
  readonly earlyResetPerSecond: number;
}

/** A limit that a peer met: too many resets (its connection ends), too many handshakes at once, or too fast after an offence (the newest ends). */
export type HboneLimited = 'resets' | 'handshakes';

/** The defaults of `HboneLimits`. */
export const DEFAULT_LIMITS: HboneLimits = {
  streamWindowBytes: 4 * 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  maxFrameBytes: 1024 * 1024,
  maxConcurrentStreams: 200,
  maxStreamsPerConnection: 100,
  maxRequestHeaderBytes: 65_536,
  maxResponseHeaderBytes: 16_384,
  unusedReleaseMs: 300_000,
  maxIdleConnections: 500,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  handshakeTimeoutMs: 30_000,
  maxHandshakesPerSource: 512,
  offenderHandshakeBurst: 3,
  offenderHandshakesPerSecond: 1,
  earlyResetBurst: 1000,
  earlyResetPerSecond: 200,
};
