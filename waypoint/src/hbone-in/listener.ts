/**
 * Tunnels of clients: accepted socket on 15008 -> mTLS -> CONNECT -> frontend -> HTTP or raw bytes (spec/waypoint.md 1.2-1.5).
 * Path 4, steps 1 to 4; data thread. Border rule: before `accept` a failure is a CONNECT status, after it only a reset.
 */
import { createHboneServer, type HboneServer, type TunnelRequest } from '@ambit/hbone';
import { createPeerVerifier, type PeerIdentity } from '@ambit/identity';
import { peerFactsOf } from '@ambit/l7';
import type { Endpoint } from '@ambit/net';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { formatIpPort, type Snapshot } from '@ambit/state';
import { peekServerName, sniff, type Sniffed } from '../http/sniff.ts';
import type { CompiledConfig } from '../updates/compiled-config.ts';
import { AppProtocol } from '../updates/compiled-config.ts';
import type { OwnIdentity } from '../upstream/transport.ts';
import { dispatch, type Dispatch } from './dispatch.ts';
import { forwardedFor, type Tunnel } from './tunnel.ts';

/** Silence after which a connection to a port of unknown protocol is raw TCP (spec/waypoint.md 1.5). */
const sniffTimeoutMs = 200;
/** How long a client of a TLS port may take for its first message; upstream waits as long. */
const helloTimeoutMs = 15_000;
/** Streams per connection (spec/waypoint.md 1.2). */
const maxConcurrentStreams = 100;

/** What the tunnel side needs from its data thread. */
export interface TunnelServerOptions {
  readonly identity: () => OwnIdentity | undefined;
  readonly config: () => CompiledConfig;
  readonly snapshot: () => Snapshot;
  /** Asks the control plane for an address; resolves when it answered or gave up. */
  readonly lookup: (key: string) => Promise<void>;
  /** Hands an HTTP connection on; `sniffed.head` belongs in front. */
  readonly onHttp: (endpoint: Endpoint, sniffed: Sniffed, tunnel: Tunnel) => void;
  /** Hands a raw connection on. */
  readonly onTcp: (endpoint: Endpoint, head: Buffer, tunnel: Tunnel) => void;
  /** A CONNECT that was refused. */
  readonly onRefused: (status: number, reason: string, request: TunnelRequest<PeerIdentity>) => void;
  readonly log: Logger;
}

/** Makes the server of tunnels. */
export const createTunnelServer = (options: TunnelServerOptions): HboneServer<PeerIdentity> =>
  createHboneServer<PeerIdentity>({
    tls: () => requireIdentity(options).tls,
    verifyPeer: (chain) => verifyClient(chain, options),
    onTunnel: (request) => background(options.log, 'tunnel', onTunnel(request, options)),
    limits: { maxConcurrentStreams },
    log: options.log,
    onHandshakeFailed: (error, endpoint) => {
      options.log.debug('handshake failed', { peer: endpoint.remote?.ip, error: messageOf(error) });
    },
  });

const requireIdentity = (options: TunnelServerOptions): OwnIdentity => {
  const own = options.identity();
  if (own === undefined) throw new Error('no certificate yet');
  return own;
};

/** Chain to the mesh roots, one SPIFFE id, and a trust domain that the mesh accepts. */
const verifyClient = (chain: readonly Buffer[], options: TunnelServerOptions): PeerIdentity => {
  const verify = createPeerVerifier({
    roots: requireIdentity(options).trust,
    peerRole: 'client',
    uriNames: 'first-parsable',
  });
  const peer = verify(chain);
  const { settings } = options.config();
  const isAccepted =
    settings.skipTrustDomainValidation ||
    settings.trustDomains.length === 0 ||
    settings.trustDomains.includes(peer.id.trustDomain);
  if (!isAccepted) throw new Error(`trust domain ${peer.id.trustDomain} is not accepted`);
  return peer;
};

const onTunnel = async (request: TunnelRequest<PeerIdentity>, options: TunnelServerOptions): Promise<void> => {
  const found = await resolve(request, options);
  if (found.kind !== 'frontend') {
    const status = found.kind === 'status' ? found.status : 404;
    const reason = found.kind === 'status' ? found.reason : 'unknown destination';
    options.onRefused(status, reason, request);
    request.reject(status, reason);
    return;
  }
  const tunnel = tunnelOf(request, found);
  const endpoint = request.accept();
  const { protocol } = found.frontend;
  if (protocol === AppProtocol.tcp) return options.onTcp(endpoint, Buffer.alloc(0), tunnel);
  if (protocol === AppProtocol.tls) return onTls(endpoint, Buffer.alloc(0), tunnel, options);
  const httpOnly = protocol !== AppProtocol.unknown;
  const sniffed = await sniff(endpoint, { httpOnly, timeoutMs: httpOnly ? undefined : sniffTimeoutMs });
  if (sniffed === undefined) endpoint.close();
  else if (sniffed.protocol === 'http1' || sniffed.protocol === 'http2') options.onHttp(endpoint, sniffed, tunnel);
  else if (sniffed.protocol === 'tls') await onTls(endpoint, sniffed.head, tunnel, options);
  else options.onTcp(endpoint, sniffed.head, tunnel);
};

/** TLS goes on as it is, once the name that the client asks for is known. */
const onTls = async (endpoint: Endpoint, head: Buffer, tunnel: Tunnel, options: TunnelServerOptions): Promise<void> => {
  const peeked = await peekServerName(endpoint, head, helloTimeoutMs);
  if (peeked === undefined) endpoint.close();
  else options.onTcp(endpoint, peeked.head, { ...tunnel, serverName: peeked.serverName });
};

const resolve = async (request: TunnelRequest, options: TunnelServerOptions): Promise<Dispatch> => {
  const first = dispatch(request.authority, options.config(), options.snapshot());
  if (first.kind !== 'lookup') return first;
  await options.lookup(first.key);
  return dispatch(request.authority, options.config(), options.snapshot());
};

/** The client's address: `forwarded` of the authenticated proxy, else the socket's (spec/waypoint.md 1.2). */
const tunnelOf = (request: TunnelRequest<PeerIdentity>, found: Dispatch & { readonly kind: 'frontend' }): Tunnel => {
  const told = forwardedFor(request.headers['forwarded']);
  const socket = request.remote;
  return {
    peer: peerFactsOf(request.peer.uri),
    sourceIp: told?.ip ?? socket?.ip ?? '',
    clientAddress: told?.text ?? (socket === undefined ? '-' : formatIpPort(socket.ip, socket.port)),
    authority: request.authority,
    destinationIp: found.destinationIp,
    frontend: found.frontend,
    headers: request.headers,
  };
};
