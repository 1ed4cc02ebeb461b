// The byte path's one contract: what a socket, a TLS connection, a tunnel stream and a test double look like to the
// code that moves bytes. Implemented by the engines of this package and of @ambit/hbone; used by relays, tunnels and
// HTTP adapters on every thread. It is deliberately not a Node stream: no EventEmitter, no Promise and no new Buffer
// per chunk, so that an engine without Node streams can stand behind it.
import type { Region } from './region.ts';

/** Nothing to read right now; `onReadable` is called once when that changes. */
export const AGAIN: unique symbol = Symbol('again');
/** The peer finished its direction; every later `read` says so again. */
export const EOF: unique symbol = Symbol('eof');

/** An IP address and a TCP or UDP port. IPv6 without brackets, v4-mapped addresses already unmapped. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** What `Endpoint.write` did with the batch: both own it; `pending` asks the writer to wait for `onWritable`. */
export type WriteResult = 'accepted' | 'pending';

/**
 * A connected pair of byte directions.
 *
 * Reading: call `read` until it answers `AGAIN` or `EOF`. A region that it lends belongs to the caller until
 * `region.release()`, or until the caller gives it to `write` of another endpoint, which then releases it. What is
 * not read is not acknowledged to the peer: that is the back-pressure.
 *
 * Writing: `write` takes ownership of every region in every case, also after `shutdownWrite` or close (then it only
 * releases them). Small batches leave at once; big ones are joined into one write per turn of the event loop.
 *
 * Callbacks are plain properties with one owner at a time; none may throw. They are never called from inside `read`
 * or `write`, with one exception: setting `onReadable` never calls it by itself, so call `read` once after setting it.
 */
export interface Endpoint {
  /** Our side of the connection, when it is a socket (or rides on one). */
  readonly local: SocketAddress | undefined;
  /** The peer's side of the connection, when it is a socket (or rides on one). */
  readonly remote: SocketAddress | undefined;
  /** Payload bytes received by this process so far, delivered or waiting. */
  readonly bytesRead: number;
  /** Payload bytes handed over with `write` so far. */
  readonly bytesWritten: number;
  /** True from the moment `onClose` is due; nothing more is delivered or sent. */
  readonly isClosed: boolean;
  /** Takes the next region that arrived, at most one block. */
  read(): Region | typeof AGAIN | typeof EOF;
  /** Sends a batch in order. */
  write(regions: readonly Region[]): WriteResult;
  /** Something can be read, end of data included. */
  onReadable: (() => void) | undefined;
  /** Called once after a `pending` write when the endpoint wants more. */
  onWritable: (() => void) | undefined;
  /** Called exactly once, last, with the error when there was one. Set it late and it is still called. */
  onClose: ((error: Error | undefined) => void) | undefined;
  /** Half-close: everything written before is sent, then FIN (END_STREAM, close_notify). Idempotent. */
  shutdownWrite(): void;
  /** Graceful: sends what was written and FIN, reads no more, releases. Idempotent. */
  close(): void;
  /** Now, with a reason: TCP RST, RST_STREAM. Queued regions are released unsent. Idempotent. */
  destroy(reason: Error): void;
}

/** An endpoint whose peer proved an identity; `Peer` is whatever `verifyPeer` returned. */
export interface SecureEndpoint<Peer = unknown> extends Endpoint {
  /** The peer's certificates as sent, leaf first, in DER. */
  peerDer(): readonly Buffer[];
  /** The result of `verifyPeer` for this connection. */
  readonly peer: Peer;
  /** The protocol both sides agreed on, `h2` in a tunnel. */
  readonly alpn: string | undefined;
}
