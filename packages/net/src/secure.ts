// TLS over an endpoint, both roles: node:tls here, or the engine of secure-libssl.ts where the thread has chosen it. In: a plain endpoint nobody has read from (or any other, at
// the price of an adapter), a context, and `verifyPeer`. Out: a secure endpoint whose peer was verified before the
// first byte. Called per connection by @ambit/hbone and the apps.
import { X509Certificate } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, TLSSocket } from 'node:tls';
import { offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import { toDuplex } from './duplex.ts';
import type { Endpoint, SecureEndpoint } from './endpoint.ts';
import { handshakeFailed, handshakeTimedOut, peerRefused } from './handshake-errors.ts';
import { mapStreamError, NodeStreamEndpoint } from './node-stream-endpoint.ts';
import { currentSecureEngine } from './secure-engine.ts';
import { secureWithLibssl } from './secure-libssl.ts';
import type { SecureClientOptions, SecureOptions, SecureServerOptions } from './secure-options.ts';
import { isEnding, resetSocket, SocketEndpoint } from './socket-endpoint.ts';
import type { TlsContext } from './tls-context.ts';

const DEFAULT_ALPN = ['h2'];
const MAX_CHAIN = 10;

/**
 * Handshakes as client. Takes the endpoint over in every case. Rejects with ERR_NET_HANDSHAKE,
 * ERR_NET_HANDSHAKE_TIMEOUT, ERR_NET_PEER_REFUSED or the signal's reason.
 */
export async function secureClient<Peer>(
  endpoint: Endpoint | Socket,
  context: TlsContext,
  options: SecureClientOptions<Peer>,
): Promise<SecureEndpoint<Peer>> {
  if (options.servername === undefined && isForLibssl(endpoint, context, options)) {
    return secureWithLibssl(endpoint, context, 'client', options);
  }
  const carrier = carrierOf(endpoint);
  const tls = connect({
    socket: carrier.stream,
    secureContext: context.secureContext,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ALPNProtocols: [...(options.alpn ?? DEFAULT_ALPN)],
    ...(options.servername === undefined ? {} : { servername: options.servername }),
  });
  return handshake(tls, 'secureConnect', carrier, options, true);
}

/** Handshakes as server; otherwise as `secureClient`. */
export async function secureServer<Peer>(
  endpoint: Endpoint | Socket,
  context: TlsContext,
  options: SecureServerOptions<Peer>,
): Promise<SecureEndpoint<Peer>> {
  if (options.requestClientCert !== false && isForLibssl(endpoint, context, options)) {
    return secureWithLibssl(endpoint, context, 'server', options);
  }
  const carrier = carrierOf(endpoint);
  const requestCert = options.requestClientCert ?? true;
  const tls = new TLSSocket(carrier.stream, {
    isServer: true,
    secureContext: context.secureContext,
    requestCert,
    rejectUnauthorized: false,
    ALPNProtocols: [...(options.alpn ?? DEFAULT_ALPN)],
  });
  return handshake(tls, 'secure', carrier, options, requestCert);
}

// The second engine speaks exactly HBONE's TLS; everything else stays with node:tls.
function isForLibssl<Peer>(
  endpoint: Endpoint | Socket,
  context: TlsContext,
  options: SecureOptions<Peer>,
): endpoint is Endpoint {
  if ((options.engine ?? currentSecureEngine()) !== 'libssl' || endpoint instanceof Socket) return false;
  const isHboneTls = context.options.allowTls12 !== true && options.alpn === undefined;
  return isHboneTls && context.options.certChainPem !== undefined;
}

interface Carrier {
  readonly stream: Duplex;
  readonly raw: Socket | undefined;
  readonly local: Endpoint['local'];
  readonly remote: Endpoint['remote'];
}

function carrierOf(endpoint: Endpoint | Socket): Carrier {
  if (endpoint instanceof Socket) return { stream: endpoint, raw: endpoint, local: undefined, remote: undefined };
  const { local, remote } = endpoint;
  const raw = endpoint instanceof SocketEndpoint ? endpoint.takeSocket() : undefined;
  return { stream: raw ?? toDuplex(endpoint), raw, local, remote };
}

async function handshake<Peer>(
  tls: TLSSocket,
  event: 'secure' | 'secureConnect',
  carrier: Carrier,
  options: SecureOptions<Peer>,
  mustShowCertificate: boolean,
): Promise<SecureEndpoint<Peer>> {
  const { promise, resolve, reject } = Promise.withResolvers<SecureEndpoint<Peer>>();
  const { timeoutMs, signal } = options;
  tls.on('error', (error) => reject(handshakeFailed(error, carrier.remote)));
  tls.on('_tlsError', (error: Error) => reject(handshakeFailed(error, carrier.remote)));
  // The carrier may be half-open: then its end is all that is heard of a peer that left.
  tls.once('end', () => reject(handshakeFailed(new Error('the peer closed the connection'), carrier.remote)));
  tls.on('close', () => reject(handshakeFailed(new Error('the peer closed the connection'), carrier.remote)));
  // The check runs inside the event that ends the handshake: nothing is delivered before it returns (W22). What follows
  // from it must wait for the next turn: this event is raised from within SSL_read, and a caller that destroys the
  // socket there frees the SSL under it (segmentation fault in ssl3_read_bytes on Node 26.10, 2026-11-21).
  tls.once(event, () => {
    try {
      const chain = chainOf(tls);
      if (mustShowCertificate && chain.length === 0) throw new Error('the peer sent no certificate');
      const peer = options.verifyPeer(chain);
      releaseControl(tls);
      setImmediate(() => resolve(new TlsEndpoint(tls, carrier, chain, peer)));
    } catch (cause) {
      setImmediate(() => reject(peerRefused(cause, carrier.remote)));
    }
  });
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => reject(handshakeTimedOut(carrier.remote, timeoutMs)), timeoutMs);
  const onAbort = (): void => reject(signal?.reason);
  onCancelled(signal, onAbort);
  try {
    return await promise;
  } catch (error) {
    tls.destroy();
    carrier.stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    offCancelled(signal, onAbort);
  }
}

/** Engine 1's secure endpoint. */
export class TlsEndpoint<Peer> extends NodeStreamEndpoint implements SecureEndpoint<Peer> {
  readonly peer: Peer;
  readonly alpn: string | undefined;
  readonly #chain: readonly Buffer[];

  constructor(tls: TLSSocket, carrier: Carrier, chain: readonly Buffer[], peer: Peer) {
    super(tls, {
      local: carrier.local,
      remote: carrier.remote,
      mapError: mapStreamError,
      abort: (stream, reason) => abortTls(stream, carrier, reason),
    });
    this.#chain = chain;
    this.peer = peer;
    this.alpn = typeof tls.alpnProtocol === 'string' ? tls.alpnProtocol : undefined;
  }

  peerDer(): readonly Buffer[] {
    return this.#chain;
  }

  /** Gives the TLS socket away, paused and unread. Undefined when bytes have already moved. */
  takeSocket(): TLSSocket | undefined {
    return this.isActive || this.isClosed ? undefined : (this.stream as TLSSocket);
  }
}

/**
 * The Node stream of an endpoint for an engine that insists on one (core http2): the socket itself when nothing was
 * read yet, else an adapter. The endpoint must not be used afterwards.
 */
export function takeNodeStream(endpoint: Endpoint): Duplex {
  const isSocket = endpoint instanceof TlsEndpoint || endpoint instanceof SocketEndpoint;
  const stream = (isSocket ? endpoint.takeSocket() : undefined) ?? toDuplex(endpoint);
  // Core http2 never ends a half-open socket by itself: the peer's FIN would go unnoticed.
  stream.allowHalfOpen = false;
  return stream;
}

function abortTls(stream: Duplex, carrier: Carrier, reason: Error | undefined): void {
  const { raw } = carrier;
  if (reason !== undefined && raw !== undefined && !isEnding(stream)) resetSocket(raw);
  else if (reason !== undefined && raw === undefined) carrier.stream.destroy(reason);
  stream.destroy();
}

function chainOf(tls: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: X509Certificate | undefined = tls.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < MAX_CHAIN) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

// What tls.Server does for its own sockets when the handshake is over: until its "control is released" a server-side
// TLSSocket swallows errors, and until `secureConnecting` is false core http2 waits (undocumented, pinned by tests).
function releaseControl(tls: TLSSocket): void {
  Reflect.set(tls, 'secureConnecting', false);
  const release: unknown = Reflect.get(tls, '_releaseControl');
  if (typeof release === 'function') Reflect.apply(release, tls, []);
}
