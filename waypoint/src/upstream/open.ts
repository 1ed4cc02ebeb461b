/** Endpoint -> connection for HTTP: tunnel or plain TCP, and TLS of a DestinationRule on top (spec/waypoint.md 1.8, 5.4). Data thread. */
import { type Endpoint, fromDuplex } from '@ambit/net';
import { tunnelSocket } from '../http/tunnel-socket.ts';
import type { OpenConnection } from '../http/upstream.ts';
import type { UpstreamEndpoint } from './pick.ts';
import type { TlsPlan } from './tls-origination.ts';
import type { Transport } from './transport.ts';

/** How a connection is opened. */
export interface OpenSettings {
  readonly transport: Transport;
  readonly endpoint: UpstreamEndpoint;
  readonly plan: TlsPlan | undefined;
  readonly isHttp2: boolean;
  readonly timeoutMs: number;
  /** Headers of the CONNECT of a tunnel. */
  readonly headers: Record<string, string>;
}

/** The function that dials. */
export const openerOf = ({ transport, endpoint, plan, isHttp2, timeoutMs, headers }: OpenSettings): OpenConnection => {
  const dial = (): Promise<Endpoint> => transport.open(endpoint, { timeoutMs, headers });
  if (plan === undefined) return dial;
  return async () => {
    const plain = tunnelSocket(await dial());
    return fromDuplex(await plan.wrap(plain, { alpn: isHttp2 ? 'h2' : 'http/1.1', timeoutMs }));
  };
};
