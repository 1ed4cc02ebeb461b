// Every failure of @ambit/net, with the words an operator needs. Thrown or passed to `onClose` on any thread.
import { CodedError } from '@ambit/runtime/errors';
import type { SocketAddress } from './endpoint.ts';

/** Stable codes; listed in packages/docs/errors.md. */
export type NetErrorCode =
  /** `connect` was not answered in time. */
  | 'ERR_NET_CONNECT_TIMEOUT'
  /** `connect` was refused or the network said no; the cause has the system's code. */
  | 'ERR_NET_CONNECT'
  /** A listener could not be bound. */
  | 'ERR_NET_BIND'
  /** The peer ended the connection with a reset, or vanished. */
  | 'ERR_NET_RESET'
  /** Any other failure while reading or writing. */
  | 'ERR_NET_IO'
  /** The TLS handshake failed before the peer's identity was known. */
  | 'ERR_NET_HANDSHAKE'
  /** The TLS handshake took too long. */
  | 'ERR_NET_HANDSHAKE_TIMEOUT'
  /** `verifyPeer` refused the certificates; the cause says why. */
  | 'ERR_NET_PEER_REFUSED'
  /** No message for longer than the relay's idle limit. */
  | 'ERR_NET_IDLE'
  /** A system call failed; the message has its name and errno. */
  | 'ERR_NET_SYSTEM_CALL'
  /** This platform (or this user) has no native access, which only namespaces and marks need. */
  | 'ERR_NET_NATIVE_UNAVAILABLE'
  /** A message cannot be used: it was cut, too long, or is not what the protocol says. */
  | 'ERR_NET_MESSAGE'
  /** An argument that no socket can have. */
  | 'ERR_NET_ARGUMENT';

const brand: unique symbol = Symbol.for('@ambit/net.NetError');

/** A failure of the byte path or of a socket operation. `code` is stable; `message` is for people. */
export class NetError extends CodedError<NetErrorCode> {
  override readonly name = 'NetError';
  readonly [brand] = true;

  /** True for errors of this package, also from a second copy of it. */
  static override is(error: unknown): error is NetError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** `10.0.0.1:80` or `[::1]:80`. */
export function formatAddress(address: SocketAddress): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** The connect timer fired. */
export function connectTimedOut(peer: string, elapsedMs: number): NetError {
  return new NetError('ERR_NET_CONNECT_TIMEOUT', `connect to ${peer} timed out after ${elapsedMs} ms`, {
    hint: 'check that the address is routed and that no NetworkPolicy or firewall drops the packets',
  });
}

/** A system call returned an error number. */
export function systemCallFailed(name: string, detail: string, errno: number): NetError {
  const code = errnoName(errno);
  const hint =
    code === 'EPERM' || code === 'EACCES'
      ? 'the process needs CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_NET_RAW'
      : undefined;
  return new NetError('ERR_NET_SYSTEM_CALL', `${name}(${detail}) failed: ${code}`, {
    cause: Object.assign(new Error(`${name}: ${code}`), { code, errno }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The `code` of a Node or NetError, following `cause` to the system's own word (`ECONNRESET`). */
export function systemCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const code: unknown = Reflect.get(at, 'code');
    if (typeof code === 'string' && !code.startsWith('ERR_NET_')) return code;
  }
  return undefined;
}

const NORMAL_END = new Set(['ECONNRESET', 'EPIPE', 'ENOTCONN', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']);

/** True for errors that count as the ordinary end of a connection when copying (spec node-proxy 3.1). */
export function isNormalEnd(error: unknown): boolean {
  if (NetError.is(error) && error.code === 'ERR_NET_RESET') return true;
  const code = systemCodeOf(error);
  return code !== undefined && NORMAL_END.has(code);
}

// Linux numbers of the errors that the calls of src/native can give; anything else prints as its number.
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  4: 'EINTR',
  9: 'EBADF',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  17: 'EEXIST',
  22: 'EINVAL',
  24: 'EMFILE',
  32: 'EPIPE',
  71: 'EPROTO',
  90: 'EMSGSIZE',
  92: 'ENOPROTOOPT',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  101: 'ENETUNREACH',
  104: 'ECONNRESET',
  107: 'ENOTCONN',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  113: 'EHOSTUNREACH',
  115: 'EINPROGRESS',
};

/** `EAGAIN` for 11 and so on. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES[errno] ?? `errno ${errno}`;
}
