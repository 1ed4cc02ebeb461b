// Two connected TCP endpoints on loopback, for tests of packages that need the real thing.
import type { Endpoint } from '../endpoint.ts';
import { connect } from '../connect.ts';
import { listenIn } from '../listener.ts';
import { hostDomain } from '../socket-domain.ts';

/** Client end first. Nothing keeps listening. */
export async function socketPair(): Promise<[Endpoint, Endpoint]> {
  const accepted = Promise.withResolvers<Endpoint>();
  const listener = await listenIn(
    hostDomain,
    { port: 0, address: '127.0.0.1' },
    { onConnection: (endpoint) => accepted.resolve(endpoint) },
  );
  const client = await connect(hostDomain, { host: '127.0.0.1', port: listener.address.port });
  const server = await accepted.promise;
  listener.close();
  return [client, server];
}
