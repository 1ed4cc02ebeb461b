// Two connected TCP endpoints on loopback, and the same with TLS, for tests of packages that need the real thing.
import type { Endpoint, SecureEndpoint } from '../endpoint.ts';
import { connect } from '../connect.ts';
import { listenIn } from '../listener.ts';
import { secureClient, secureServer } from '../secure.ts';
import { hostDomain } from '../socket-domain.ts';
import type { TlsContext } from '../tls-context.ts';

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

/** Client end first; peers are `'client'` and `'server'` verified by nobody. */
export async function securePair(context: TlsContext): Promise<[SecureEndpoint, SecureEndpoint]> {
  const [client, server] = await socketPair();
  return Promise.all([
    secureClient(client, context, { verifyPeer: () => 'server' }),
    secureServer(server, context, { verifyPeer: () => 'client' }),
  ]);
}
