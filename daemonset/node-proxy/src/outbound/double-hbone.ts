/**
 * A cross-network request in; the inner tunnel out. Path 1, step 4 for other networks. Data thread.
 *
 * Called by `connect.ts`. The outer tunnel to the network gateway comes from the pool; the inner one is made for this
 * connection only, so that each connection is load-balanced over there (spec/node-proxy.md 2.7).
 */
import { openInnerTunnel, type TunnelStream } from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import { formatIpPort, identityOf } from '@ambit/state';
import type { ConnectInput } from './connect.ts';
import { countRevoked } from './pod-pool.ts';
import { hboneLimits } from './upstream-options.ts';
import type { OutboundRequest } from './route.ts';

/** Opens both tunnels; the caller owns the result, which ends the outer stream with itself. */
export async function openDoubleHbone(
  request: Extract<OutboundRequest, { kind: 'double-hbone' }>,
  gateway: { readonly ip: string; readonly port: number },
  input: ConnectInput,
): Promise<TunnelStream<PeerIdentity>> {
  const { context, signal } = input;
  const source = identityOf(input.source);
  const { 'x-forwarded-network': network, ...outerHeaders } = input.headers;
  const key = {
    source,
    destination: formatIpPort(gateway.ip, gateway.port),
    expected: request.outerExpected,
    sourceAddress: input.sourceIp,
  };
  const outer = await context.pool.open(key, { authority: request.authority, headers: outerHeaders, signal });
  const identity = await context.certificates.get(source);
  return countRevoked(context, () =>
    openInnerTunnel(outer, {
      authority: request.authority,
      headers: network === undefined ? outerHeaders : { ...outerHeaders, 'x-forwarded-network': network },
      tls: identity.context,
      verifyPeer: identity.verifyServer(request.innerExpected),
      limits: hboneLimits(context.config),
      log: context.log,
      signal,
    }),
  );
}
