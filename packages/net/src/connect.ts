// Outgoing TCP: from a domain, a destination and a source to a connected plain endpoint. Called per upstream
// connection on data threads.
import { isIP } from 'node:net';
import { type CancelSignal, offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import type { Endpoint, SocketAddress } from './endpoint.ts';
import { connectTimedOut, formatAddress, NetError } from './errors.ts';
import { isNativeAvailable } from './native/libc.ts';
import { type Keepalive, setKeepalive } from './native/socket-options.ts';
import { clientSocket } from './native/sockets.ts';
import type { SocketDomain } from './socket-domain.ts';
import { SocketEndpoint } from './socket-endpoint.ts';
import { bindTcpSource, connectTcp, newTcp, systemError, type TcpHandle } from './tcp-handle.ts';

/** Where to, from where, and how long. */
export interface ConnectOptions {
  /** An IP literal. */
  readonly host: string;
  readonly port: number;
  /** Source address; with `transparent` any address, else one of ours. */
  readonly source?: string;
  /** Bind `source` although it is not ours (IP_TRANSPARENT and freebind). When that fails the connect goes ahead from our own address. */
  readonly transparent?: boolean;
  /** SO_MARK. */
  readonly mark?: number;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: CancelSignal;
  readonly keepalive?: Keepalive;
  /** Told when the source address could not be bound. */
  readonly onUnspoofed?: () => void;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Connects. The caller owns the endpoint. Rejects with ERR_NET_CONNECT, ERR_NET_CONNECT_TIMEOUT, the signal's reason,
 * or ERR_NET_NATIVE_UNAVAILABLE when the domain or the options need native access that is missing.
 */
export async function connect(domain: SocketDomain, options: ConnectOptions): Promise<Endpoint> {
  options.signal?.throwIfAborted();
  if (isIP(options.host) === 0) throw new NetError('ERR_NET_ARGUMENT', `"${options.host}" is not an IP address`);
  const to: SocketAddress = { ip: options.host, port: options.port };
  const handle = openSocket(domain, to, options);
  try {
    await connected(handle, to, options);
    handle.setNoDelay(true);
    if (options.keepalive !== undefined && isNativeAvailable()) setKeepalive(handle.fd, options.keepalive);
    return new SocketEndpoint(handle, to);
  } catch (error) {
    handle.close();
    throw error;
  }
}

function needsNative(domain: SocketDomain, options: ConnectOptions): boolean {
  return (
    domain.kind === 'netns' || (domain.kind === 'host' && (options.mark !== undefined || options.transparent === true))
  );
}

function openSocket(domain: SocketDomain, to: SocketAddress, options: ConnectOptions): TcpHandle {
  if (!needsNative(domain, options)) return boundTo(sourceOf(domain, options), to);
  const made = clientSocket(domain, {
    destination: to,
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.transparent === undefined ? {} : { transparent: options.transparent }),
    ...(options.mark === undefined ? {} : { mark: options.mark }),
  });
  if (!made.isSourceBound) options.onUnspoofed?.();
  return newTcp(made.fd);
}

// In a loopback domain the pod's address is always the source, so that the peer sees who calls.
function sourceOf(domain: SocketDomain, options: ConnectOptions): string | undefined {
  if (options.source !== undefined) return options.source;
  return domain.kind === 'loopback' && options.host.startsWith('127.') ? domain.address : undefined;
}

function boundTo(source: string | undefined, to: SocketAddress): TcpHandle {
  const handle = newTcp();
  const errno = source === undefined ? 0 : bindTcpSource(handle, source);
  if (errno === 0) return handle;
  handle.close();
  throw connectFailed(to, systemError('bind', errno, source));
}

async function connected(handle: TcpHandle, to: SocketAddress, options: ConnectOptions): Promise<void> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(connectTimedOut(formatAddress(to), timeoutMs)), timeoutMs);
  const onAbort = (): void => reject(signal?.reason);
  onCancelled(signal, onAbort);
  connectTcp(handle, to, (errno) => {
    if (errno === 0) resolve();
    else reject(connectFailed(to, systemError('connect', errno, formatAddress(to))));
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    offCancelled(signal, onAbort);
  }
}

function connectFailed(to: SocketAddress, cause: Error): NetError {
  return new NetError('ERR_NET_CONNECT', `cannot connect to ${formatAddress(to)}: ${cause.message}`, { cause });
}
