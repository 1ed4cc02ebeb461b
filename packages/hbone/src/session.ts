// What the pool and the server ask of an HTTP/2 connection, whoever implements it, and the engine that makes one.
// Implemented in http2/ (core http2) and framed/ (our own framing). Data threads.
import type { SecureEndpoint } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import type { Allowance } from './peer-allowances.ts';
import type { HboneLimited, HboneLimits, OpenOptions, TunnelRequest, TunnelStream } from './tunnel.ts';

/** Ends a CONNECT that waits for its answer; without effect once it was answered or failed. */
export type GiveUp = (reason: Error) => void;

/** What to ask of the peer, by the pool. */
export interface AskOptions extends OpenOptions {
  /** The peer began to drain; this CONNECT is among those it may still answer. At most once, before `open` settles. */
  readonly onLeaving?: (giveUp: GiveUp) => void;
}

/** A dialled connection that can carry tunnels. Life: ready -> draining -> closed. */
export interface ClientSession<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  readonly state: 'ready' | 'draining' | 'closed';
  /** Streams open, waiting for their answer, or reserved. */
  readonly activeStreams: number;
  /** Takes room for one stream, which `open` then uses; false when there is none. */
  tryReserve(): boolean;
  /** Uses a reservation: sends CONNECT and waits for 200. Rejects with ERR_HBONE_STATUS, _RESET, _DRAINING, _CONNECTION_LOST, _TIMEOUT or the signal's reason. */
  open(options: AskOptions): Promise<TunnelStream<Peer>>;
  /** No new streams; the connection ends with its last stream. Idempotent. */
  close(): void;
  /** Ends the connection and all its streams now. Idempotent. */
  destroy(reason: Error): void;
}

/** What a client session is made of. */
export interface ClientSessionOptions {
  readonly peerName: string;
  readonly limits: HboneLimits;
  readonly log: Logger;
  /** Capacity, use or state changed. Not called before the session was returned. */
  readonly onChange: (session: ClientSession<unknown>) => void;
}

/** An accepted connection of a verified peer. */
export interface ServerSession<Peer> {
  readonly peer: Peer;
  readonly activeStreams: number;
  /** GOAWAY, then ends with its last stream. Streams that were on their way are still served. Idempotent. */
  close(): void;
  /** Ends the connection and all its streams now. Idempotent. */
  destroy(reason: Error): void;
}

/** What a server session is made of. */
export interface ServerSessionOptions<Peer> {
  readonly limits: HboneLimits;
  readonly allowance: Allowance;
  readonly log: Logger;
  readonly onTunnel: (request: TunnelRequest<Peer>) => void;
  /** A request was answered with 400 and is not offered; `reason` says what it is. */
  readonly onMalformed: (request: TunnelRequest<Peer>, reason: string) => void;
  /** The peer met a limit, and its connection ends for it. */
  readonly onLimited: (limit: HboneLimited) => void;
  /** Exactly once, after the session was returned. `wasOffence`: it ended because the peer broke a rule or met a limit. */
  readonly onClosed: (session: ServerSession<Peer>, wasOffence: boolean) => void;
}

/** How HTTP/2 is spoken. Each takes the endpoint over. */
export interface SessionEngine {
  client<Peer>(endpoint: SecureEndpoint<Peer>, options: ClientSessionOptions): ClientSession<Peer>;
  server<Peer>(endpoint: SecureEndpoint<Peer>, options: ServerSessionOptions<Peer>): ServerSession<Peer>;
}

/** Longest `:authority` that is offered to the application. */
export const MAX_AUTHORITY_BYTES = 1024;
/** Time for streams that were sent before the peer saw our GOAWAY. */
export const GOAWAY_GRACE_MS = 1000;
