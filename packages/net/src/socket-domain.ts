// Where a socket lives. Every function that creates sockets takes one of these; nothing else in the project decides it.

/**
 * - `host`: this process's own network namespace.
 * - `netns`: the namespace behind an open fd (owned by the caller, who keeps it open); the socket is created inside by
 *   one synchronous section, later work on it needs no namespace. Linux, CAP_SYS_ADMIN.
 * - `loopback`: the process's own namespace, but the pod is this loopback address: listeners bind it, connections
 *   leave from it. Marks and transparent sockets do not exist there.
 */
export type SocketDomain =
  | { readonly kind: 'host' }
  | { readonly kind: 'netns'; readonly fd: number }
  | { readonly kind: 'loopback'; readonly address: string };

/** The process's own namespace. */
export const hostDomain: SocketDomain = { kind: 'host' };
