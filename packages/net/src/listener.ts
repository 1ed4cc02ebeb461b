// Listening sockets: from a place (domain, port) or an inherited descriptor to accepted plain endpoints. Called by the
// proxies on their data threads; TLS is put on top with `secureServer`.
import type { Endpoint, SocketAddress } from './endpoint.ts';

/** What a new listening socket looks like. */
export interface ListenerSpec {
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** An IP literal; default `::` in a namespace (dual stack), the pod's address in a loopback domain. */
  readonly address?: string;
  /** Several processes or threads may listen at once. Default false. */
  readonly reusePort?: boolean;
  /** IP_TRANSPARENT on the listener. Failing to set it is not an error: ask `bound.transparent`. */
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
  /** Accept queue length, default 128. */
  readonly backlog?: number;
  /** Gets each accepted connection and owns it. Must not throw. */
  readonly onConnection: (endpoint: Endpoint) => void;
  /** Accept errors; the loop goes on. */
  readonly onError?: (error: Error) => void;
}
