/**
 * Endpoint -> connection: plain TCP, or a tunnel over mTLS with the exact identity of the endpoint (spec/waypoint.md 1.8).
 * Path 4, step 8; data thread. Failures are UpstreamErrors with the words that the reply shows.
 */
import { createHbonePool, HboneError, type HbonePool, type TunnelHeaders } from '@ambit/hbone';
import { createPeerVerifier, type TrustStore } from '@ambit/identity';
import { connect, type Endpoint, secureClient, type SocketDomain, type TlsContext } from '@ambit/net';
import { codeOf, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { formatIpPort } from '@ambit/state';
import { UpstreamError, WaypointError } from '../errors.ts';
import type { UpstreamEndpoint } from './pick.ts';

/** Port on which workloads accept tunnels. */
export const HBONE_PORT = 15_008;

/** Our side of every tunnel; changes with each certificate. */
export interface OwnIdentity {
  readonly uri: string;
  readonly tls: TlsContext;
  readonly trust: TrustStore;
}

/** Settings of {@link createTransport}. */
export interface TransportOptions {
  readonly domain: SocketDomain;
  readonly identity: () => OwnIdentity | undefined;
  readonly log: Logger;
  /** Port of tunnels at endpoints; tests set another one. Default 15008. */
  readonly hbonePort?: number;
}

/** Opens connections to endpoints. One per data thread. */
export interface Transport {
  /** The caller owns the endpoint. Rejects with UpstreamError (`connect` or `connect-timeout`). */
  open(
    endpoint: UpstreamEndpoint,
    options: { readonly timeoutMs: number; readonly headers: TunnelHeaders },
  ): Promise<Endpoint>;
  /** Tunnels to these addresses take no new streams; open ones finish. */
  retire(addresses: ReadonlySet<string>): void;
  /** No new tunnels; open ones finish. */
  close(): void;
  destroy(): void;
}

/** Makes the transport with its tunnel pool. */
export const createTransport = (options: TransportOptions): Transport => {
  const hbonePort = options.hbonePort ?? HBONE_PORT;
  const pool = makePool(options);
  return {
    open: async (endpoint, { timeoutMs, headers }) => {
      const own = options.identity();
      try {
        if (endpoint.transport === 'tcp') {
          return await connect(options.domain, { host: endpoint.ip, port: endpoint.port, timeoutMs });
        }
        if (own === undefined) throw new Error('no certificate yet');
        const key = { source: own.uri, destination: formatIpPort(endpoint.ip, hbonePort), expected: endpoint.expected };
        return await pool.open(key, { authority: formatIpPort(endpoint.ip, endpoint.port), headers, timeoutMs });
      } catch (error) {
        throw connectFailure(error);
      }
    },
    retire: (addresses) => pool.forget(({ destination }) => addresses.has(hostOf(destination))),
    close: () => pool.close(),
    destroy: () => pool.destroy(new WaypointError('ERR_WAYPOINT_DRAIN', 'waypoint stopped')),
  };
};

const makePool = (options: TransportOptions): HbonePool =>
  createHbonePool({
    log: options.log,
    dial: async (key) => {
      const own = options.identity();
      if (own === undefined) throw new Error('no certificate yet');
      const port = Number(key.destination.slice(key.destination.lastIndexOf(':') + 1));
      const socket = await connect(options.domain, { host: hostOf(key.destination), port });
      const verifyPeer = createPeerVerifier({
        roots: own.trust,
        peerRole: 'server',
        expected: key.expected,
        uriNames: 'first-parsable',
      });
      return secureClient(socket, own.tls, { verifyPeer, timeoutMs: 10_000 });
    },
  });

/** The address of `ip:port` or `[ip]:port`. */
const hostOf = (destination: string): string =>
  destination.slice(0, destination.lastIndexOf(':')).replace('[', '').replace(']', '');

const connectFailure = (error: unknown): UpstreamError => {
  if (codesOf(error).some((code) => code.includes('TIMEOUT') || code === 'ETIMEDOUT')) {
    return new UpstreamError({ kind: 'connect-timeout' }, false, error);
  }
  return new UpstreamError({ kind: 'connect', reason: reasonOf(error) }, false, error);
};

/** Words for `%UPSTREAM_TRANSPORT_FAILURE_REASON%`, as log parsers know them where upstream has words (spec/waypoint.md 1.8). */
const reasonOf = (error: unknown): string => {
  if (HboneError.is(error) && error.code === 'ERR_HBONE_STATUS') {
    return `hbone_denied:_destination_status_${(error as { status?: number }).status ?? 0}`;
  }
  const codes = codesOf(error);
  if (codes.includes('ECONNREFUSED')) return 'delayed connect error: Connection refused';
  if (codes.includes('ERR_IDENTITY_UNEXPECTED_PEER') || codes.includes('ERR_HBONE_UNEXPECTED_PEER'))
    return 'SAN mismatch';
  const isTls = codes.some((code) => code.includes('HANDSHAKE'));
  return isTls ? `TLS_error: ${messageOf(error)}` : messageOf(error);
};

const codesOf = (error: unknown): string[] => {
  const codes: string[] = [];
  let current = error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth++) {
    const code = codeOf(current);
    if (code !== undefined) codes.push(code);
    current = current.cause;
  }
  return codes;
};
