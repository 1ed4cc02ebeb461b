// Asks the kernel where a redirected connection wanted to go. Called once per accepted outbound or plaintext connection.
import type { Endpoint, SocketAddress } from './endpoint.ts';
import { readOriginalDestination } from './native/socket-options.ts';
import { descriptorOf } from './socket-endpoint.ts';

/** The original destination, or undefined for an endpoint that is no socket or was not redirected (then use `local`). */
export function originalDestination(endpoint: Endpoint): SocketAddress | undefined {
  const fd = descriptorOf(endpoint);
  return fd === undefined ? undefined : readOriginalDestination(fd);
}
