/**
 * An endpoint dressed as a socket for Node's engines: a plain Duplex with the few socket methods they call.
 * Never a raw Http2Stream (decisions 6). Used by TLS origination and by tests; data thread.
 */
import type { Duplex } from 'node:stream';
import { type Endpoint, toDuplex } from '@ambit/net';

/** A Duplex that satisfies the engines of Node. Errors are swallowed here: their owners listen for `close`. */
export const tunnelSocket = (endpoint: Endpoint, head?: Buffer): Duplex => {
  const remote = endpoint.remote;
  const duplex = toDuplex(endpoint);
  const socket = Object.assign(duplex, {
    remoteAddress: remote?.ip,
    remotePort: remote?.port,
    setTimeout: () => duplex,
    setNoDelay: () => duplex,
    setKeepAlive: () => duplex,
    ref: () => duplex,
    unref: () => duplex,
  });
  socket.on('error', ignore);
  if (head !== undefined && head.length > 0) socket.unshift(head);
  return socket;
};

const ignore = (): void => undefined;
