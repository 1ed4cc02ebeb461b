// Every failure of the tunnel, with the words an operator needs. Thrown by pool.open, passed to onClose of tunnels,
// logged by the server. Any data thread.
import { CodedError } from '@ambit/runtime/errors';

// Imported by name, the module would evaluate its WebSocket, and with it load all of undici into every thread.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/** Stable codes; listed in packages/docs/errors.md. */
export type HboneErrorCode =
  /** TCP to the peer timed out. */
  | 'ERR_HBONE_CONNECT_TIMEOUT'
  /** TCP to the peer failed. */
  | 'ERR_HBONE_CONNECT'
  /** TLS failed before the peer's identity was known, or the peer does not speak h2. */
  | 'ERR_HBONE_HANDSHAKE'
  /** The peer's certificate was refused. */
  | 'ERR_HBONE_UNEXPECTED_PEER'
  /** The peer answered CONNECT with another status than 200; see `status`. */
  | 'ERR_HBONE_STATUS'
  /** The peer did not answer CONNECT in time. */
  | 'ERR_HBONE_TIMEOUT'
  /** The connection is going away and never saw this request. */
  | 'ERR_HBONE_DRAINING'
  /** The peer reset the stream. */
  | 'ERR_HBONE_RESET'
  /** The connection that carried the stream broke. */
  | 'ERR_HBONE_CONNECTION_LOST'
  /** The peer did not answer a PING. */
  | 'ERR_HBONE_PING_TIMEOUT'
  /** The pool or server is closed. */
  | 'ERR_HBONE_CLOSED'
  /** The peer resets streams faster than allowed. */
  | 'ERR_HBONE_ABUSE'
  /** `:authority` is neither ip:port nor host:port. */
  | 'ERR_HBONE_AUTHORITY';

const brand: unique symbol = Symbol.for('@ambit/hbone.HboneError');

/** A failure of the tunnel. `code` is stable; `message` is for people. */
export class HboneError extends CodedError<HboneErrorCode> {
  override readonly name = 'HboneError';
  readonly [brand] = true;
  /** HTTP status of ERR_HBONE_STATUS. */
  readonly status: number | undefined;

  constructor(
    code: HboneErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; status?: number } = {},
  ) {
    super(code, message, options);
    this.status = options.status;
  }

  /** True for errors of this package, also from a second copy of it. */
  static override is(error: unknown): error is HboneError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

const PORT_HINT = 'a NetworkPolicy may be blocking HBONE port 15008';

/** TCP timed out. */
export function connectTimedOut(peer: string, cause: unknown): HboneError {
  return new HboneError(
    'ERR_HBONE_CONNECT_TIMEOUT',
    `connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ${peer}`,
    { cause, hint: PORT_HINT },
  );
}

/** The peer refused the tunnel. */
export function refusedWithStatus(peer: string, status: number): HboneError {
  const reason = STATUS_CODES[status] ?? 'unknown';
  const hint = STATUS_HINTS[status];
  return new HboneError('ERR_HBONE_STATUS', `http status: ${status} ${reason}`, {
    status,
    cause: new Error(`${peer} answered CONNECT with ${status}`),
    ...(hint === undefined ? {} : { hint }),
  });
}

const STATUS_HINTS: Readonly<Record<number, string>> = {
  400: 'the receiving proxy does not serve this address; it may have moved, check that both proxies are in sync',
  401: "an authorization policy of the destination denied the connection; see the receiving proxy's log",
  503: 'the receiving proxy could not reach the application; check that it listens on this port',
};

/** The stream was reset with an HTTP/2 error code. */
export function streamReset(peer: string, code: number, cause?: unknown): HboneError {
  return new HboneError('ERR_HBONE_RESET', `stream reset by ${peer} with http2 code ${code}`, { cause });
}

/** The connection broke. */
export function connectionLost(peer: string, cause: unknown): HboneError {
  const why = cause instanceof Error ? cause.message : 'closed';
  return new HboneError('ERR_HBONE_CONNECTION_LOST', `h2 failed: connection with ${peer} lost: ${why}`, {
    cause,
    hint: 'the other proxy may have restarted',
  });
}

/** The connection stopped taking streams before this one. */
export function connectionDraining(peer: string, cause?: unknown): HboneError {
  return new HboneError('ERR_HBONE_DRAINING', `${peer} is draining and did not take the request`, { cause });
}

/** No answer to PING. */
export function pingTimedOut(peer: string, elapsedMs: number): HboneError {
  return new HboneError('ERR_HBONE_PING_TIMEOUT', `HBONE ping timeout: no answer from ${peer} for ${elapsedMs} ms`, {
    hint: 'the node or the network between the proxies is down or overloaded',
  });
}

/** The peer resets streams faster than any application would. */
export function abuse(peer: string): HboneError {
  return new HboneError('ERR_HBONE_ABUSE', `${peer} resets streams faster than allowed`);
}
