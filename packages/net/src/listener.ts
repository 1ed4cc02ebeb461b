// Listening sockets: from a place (domain, port), a descriptor, or a server handed over by a supervisor, to accepted
// plain endpoints. Called by the proxies on their data threads; TLS is put on top with `secureServer`.
import { createServer, type Server } from 'node:net';
import type { Logger } from '@ambit/runtime/log';
import type { Endpoint, SocketAddress } from './endpoint.ts';
import { NetError } from './errors.ts';
import { isNativeAvailable } from './native/libc.ts';
import { type Keepalive, setKeepalive } from './native/socket-options.ts';
import { bindTcp, bindUdpSocket } from './native/sockets.ts';
import { type SocketDomain } from './socket-domain.ts';
import { SocketEndpoint } from './socket-endpoint.ts';
import { addressOf, handleOf, systemError, type TcpHandle } from './tcp-handle.ts';

/** What a new listening (or UDP) socket looks like. */
export interface ListenerSpec {
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** An IP literal; default `::` (dual stack), the pod's address in a loopback domain. */
  readonly address?: string;
  /** Several processes or threads may listen at once. Default false. */
  readonly reusePort?: boolean;
  /** Try IP_TRANSPARENT on the listener; not getting it is no error, `isTransparent` of the result tells. */
  readonly transparent?: boolean;
  /** SO_MARK, needs CAP_NET_ADMIN. */
  readonly mark?: number;
}

/** A running listener. It owns its socket; accepted endpoints belong to whoever got them. */
export interface Listener {
  readonly address: SocketAddress;
  /** Stops accepting; accepted connections live on. Idempotent. */
  close(): void;
  /** The same: a listener has nothing to flush. */
  destroy(reason?: Error): void;
}

/** What a listener does with its connections. */
export interface ListenOptions {
  /** Accept queue length, default 128. Ignored for a server that already listens. */
  readonly backlog?: number;
  /** TCP keepalive of every accepted connection: set once on the listening descriptor, which they inherit it from (Linux). */
  readonly keepalive?: Keepalive;
  /** Gets each accepted connection and owns it. Must not throw. */
  readonly onConnection: (endpoint: Endpoint) => void;
  /** Accept errors are warnings here; the loop goes on. */
  readonly log?: Logger;
}

const DEFAULT_BACKLOG = 128;

/** Binds a TCP socket in the domain, synchronously; give the number to `listen` on any thread. Needs native access. Throws ERR_NET_BIND. */
export function bindListener(domain: SocketDomain, spec: ListenerSpec): number {
  return bindTcp(domain, spec).fd;
}

/** The same, telling also whether IP_TRANSPARENT could be set. */
export function bindTransparentListener(
  domain: SocketDomain,
  spec: ListenerSpec,
): { readonly fd: number; readonly isTransparent: boolean } {
  return bindTcp(domain, { ...spec, transparent: true });
}

/** Binds a UDP socket in the domain, synchronously; give the number to `dgram.Socket.bind({ fd })`. Throws ERR_NET_BIND. */
export function bindUdp(domain: SocketDomain, spec: ListenerSpec): number {
  return bindUdpSocket(domain, spec).fd;
}

/**
 * Accepts on a bound descriptor (which it takes over) or on a `net.Server` that a supervisor handed to this process.
 * Resolves when connections are taken. Rejects with ERR_NET_BIND.
 */
export async function listen(source: number | Server, options: ListenOptions): Promise<Listener> {
  const server = typeof source === 'number' ? createServer() : source;
  if (typeof source === 'number') {
    if (options.keepalive !== undefined && isNativeAvailable()) setKeepalive(source, options.keepalive);
    await started(server, `fd ${source}`, () => server.listen({ fd: source }, options.backlog ?? DEFAULT_BACKLOG));
  }
  return accepting(server, options);
}

/**
 * Binds and accepts in one step. Works without native access where no namespace, mark or transparency is asked for.
 * Rejects with ERR_NET_BIND.
 */
export async function listenIn(domain: SocketDomain, spec: ListenerSpec, options: ListenOptions): Promise<Listener> {
  if (domain.kind === 'netns' || spec.mark !== undefined || spec.transparent === true) {
    return listen(bindListener(domain, spec), options);
  }
  const server = createServer();
  const host = spec.address ?? (domain.kind === 'loopback' ? domain.address : '::');
  const where = { host, port: spec.port, backlog: options.backlog ?? DEFAULT_BACKLOG };
  const reusePort = spec.reusePort === true && process.platform === 'linux' ? { reusePort: true } : {};
  await started(server, `${host}:${spec.port}`, () => server.listen({ ...where, ...reusePort }));
  return accepting(server, options);
}

/** Takes connections as handles, before the server of node:net would make a socket of each. Those of earlier turns wait in the kernel. */
function accepting(server: Server, options: ListenOptions): Listener {
  const handle = handleOf(server);
  if (handle === undefined) throw notListening();
  const onConnection = (errno: number, client: TcpHandle | undefined): void => {
    if (client === undefined) {
      options.log?.warn('failed to accept a connection', { error: systemError('accept', errno).message });
      return;
    }
    client.setNoDelay(true);
    options.onConnection(new SocketEndpoint(client));
  };
  handle.onconnection = onConnection;
  return listenerOf(server);
}

async function started(server: Server, where: string, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(bindFailed(where, error));
  server.once('error', onError);
  server.once('listening', resolve);
  start();
  await promise;
  server.off('error', onError);
}

function listenerOf(server: Server): Listener {
  const bound = server.address();
  const address = typeof bound === 'object' && bound !== null ? addressOf(bound.address, bound.port) : undefined;
  if (address === undefined) throw notListening();
  const close = (): void => {
    if (server.listening) server.close();
  };
  return { address, close, destroy: close };
}

function notListening(): NetError {
  return new NetError('ERR_NET_BIND', 'the socket is not a listening TCP socket');
}

function bindFailed(where: string, cause: unknown): NetError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new NetError('ERR_NET_BIND', `cannot listen on ${where}: ${message}`, { cause });
}
