// Outgoing TCP: from a domain, a destination and a source to a connected plain endpoint. Called per upstream
// connection on data threads.
import { addAbortListener } from 'node:events';
import { isIP, Socket } from 'node:net';
import type { Endpoint, SocketAddress } from './endpoint.ts';
import { connectTimedOut, formatAddress, NetError } from './errors.ts';
import { isNativeAvailable } from './native/libc.ts';
import { type Keepalive, setKeepalive } from './native/socket-options.ts';
import { clientSocket } from './native/sockets.ts';
import type { SocketDomain } from './socket-domain.ts';
import { descriptorOf, socketEndpoint } from './socket-endpoint.ts';

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
  readonly signal?: AbortSignal;
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
  const socket = openSocket(domain, options);
  await connected(socket, { ip: options.host, port: options.port }, sourceOf(domain, options), options);
  const endpoint = socketEndpoint(socket);
  if (options.keepalive !== undefined) applyKeepalive(endpoint, options.keepalive);
  return endpoint;
}

/** Switches keepalive on for a socket endpoint; without native access it is left alone. */
function applyKeepalive(endpoint: Endpoint, keepalive: Keepalive): void {
  const fd = descriptorOf(endpoint);
  if (fd !== undefined && isNativeAvailable()) setKeepalive(fd, keepalive);
}

function needsNative(domain: SocketDomain, options: ConnectOptions): boolean {
  return (
    domain.kind === 'netns' || (domain.kind === 'host' && (options.mark !== undefined || options.transparent === true))
  );
}

function openSocket(domain: SocketDomain, options: ConnectOptions): Socket {
  if (!needsNative(domain, options)) return new Socket({ allowHalfOpen: true });
  const made = clientSocket(domain, {
    destination: { ip: options.host, port: options.port },
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.transparent === undefined ? {} : { transparent: options.transparent }),
    ...(options.mark === undefined ? {} : { mark: options.mark }),
  });
  if (!made.isSourceBound) options.onUnspoofed?.();
  // `manualStart` keeps Node from reading before connect (undocumented, pinned by test/netns).
  const socketOptions = { fd: made.fd, allowHalfOpen: true, manualStart: true };
  return new Socket(socketOptions);
}

// In a loopback domain the pod's address is always the source, so that the peer sees who calls.
function sourceOf(domain: SocketDomain, options: ConnectOptions): string | undefined {
  if (needsNative(domain, options)) return undefined;
  if (options.source !== undefined) return options.source;
  return domain.kind === 'loopback' && options.host.startsWith('127.') ? domain.address : undefined;
}

async function connected(
  socket: Socket,
  to: SocketAddress,
  source: string | undefined,
  options: ConnectOptions,
): Promise<void> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(connectFailed(to, error));
  const timer = setTimeout(() => reject(connectTimedOut(formatAddress(to), timeoutMs)), timeoutMs);
  using _abort =
    options.signal === undefined ? undefined : addAbortListener(options.signal, () => reject(options.signal?.reason));
  socket.on('error', onError);
  socket.once('connect', resolve);
  socket.pause();
  socket.connect({
    host: to.ip,
    port: to.port,
    ...(source === undefined ? {} : { localAddress: source }),
  });
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function connectFailed(to: SocketAddress, cause: Error): NetError {
  return new NetError('ERR_NET_CONNECT', `cannot connect to ${formatAddress(to)}: ${cause.message}`, { cause });
}
