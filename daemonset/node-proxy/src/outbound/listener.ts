/**
 * Accepted connection of an application in; a carried connection and its completed record out. Path 1, step 1.
 *
 * Called by `threads/pod-traffic.ts` for each connection on 15001; `socks5.ts` enters at `serveOutbound` with the
 * destination its client named. Runs on a data thread from accept to close. Flow: spec/node-proxy.md 3.4.
 */
import { formatBaggage, formatForwarded, newTraceparent } from '@ambit/hbone';
import { type Endpoint, originalDestination, type SocketAddress } from '@ambit/net';
import { formatIpPort, type Workload } from '@ambit/state';
import { abandonedBy, carry } from '../connections/carry.ts';
import { type ConnectionRecord, earlyDenial, openRecord } from '../telemetry/connection-record.ts';
import { baggageOf } from '../telemetry/party.ts';
import type { DumpedConnection } from '../threads/messages.ts';
import { illegalPorts, ownWorkload, type PodContext } from '../threads/pod-context.ts';
import { connectOutbound } from './connect.ts';
import { type OutboundRequest, routeOutbound, targetText } from './route.ts';

/** Serves one redirected connection. Never rejects; owns the endpoint. */
export async function serveCaptured(context: PodContext, client: Endpoint): Promise<void> {
  const destination = originalDestination(client) ?? client.local;
  if (destination === undefined) {
    client.destroy(new Error('the connection has no original destination'));
    return;
  }
  await serveOutbound(context, client, destination);
}

/** Serves one connection to `destination`. Never rejects; owns the endpoint. */
export async function serveOutbound(context: PodContext, client: Endpoint, destination: SocketAddress): Promise<void> {
  using _hold = context.drain.hold();
  context.openSockets.source += 1;
  const clientAddress = client.remote ?? { ip: '0.0.0.0', port: 0 };
  try {
    const source = await ownWorkload(context);
    const request = routeOutbound({
      snapshot: context.state.snapshot(),
      source,
      sourceIp: clientAddress.ip,
      destination,
      illegalPorts: illegalPorts(context.config),
      random: Math.random,
    });
    if (request.kind === 'reject') throw request.error;
    await carryRouted(context, { client, clientAddress, source, destination, request });
  } catch (error) {
    earlyDenial(context.sink, {
      sourceAddress: formatIpPort(clientAddress.ip, clientAddress.port),
      destinationAddress: formatIpPort(destination.ip, destination.port),
      direction: 'outbound',
      error,
    });
    client.destroy(error instanceof Error ? error : new Error('outbound connection failed'));
  } finally {
    context.openSockets.source -= 1;
  }
}

interface Routed {
  readonly client: Endpoint;
  readonly clientAddress: SocketAddress;
  readonly source: Workload;
  readonly destination: SocketAddress;
  readonly request: Exclude<OutboundRequest, { kind: 'reject' }>;
}

/** From here on a failure completes the record instead of being an early denial. */
async function carryRouted(context: PodContext, routed: Routed): Promise<void> {
  const abort = new AbortController();
  const { client } = routed;
  using _registered = context.registry.register({
    facts: undefined,
    dump: dumpOf(routed),
    destroy: (reason) => abort.abort(reason),
  });
  const record = recordOf(context, routed);
  client.onClose = (error) => abort.abort(abandonedBy('the client', error));
  try {
    const upstream = await connectOutbound(routed.request, {
      context,
      source: routed.source,
      sourceIp: routed.clientAddress.ip,
      headers: headersOf(context, routed),
      signal: abort.signal,
    });
    await carry(client, upstream, { record, signal: abort.signal });
  } catch (error) {
    record.complete(error);
    client.destroy(error instanceof Error ? error : new Error('outbound connection failed'));
  }
}

function recordOf(context: PodContext, routed: Routed): ConnectionRecord {
  const { request, clientAddress } = routed;
  const authority = request.kind === 'tcp' ? undefined : request.authority;
  const facts = {
    reporter: 'source' as const,
    sourceAddress: formatIpPort(clientAddress.ip, clientAddress.port),
    destinationAddress: targetText(request.target),
    ...(authority === undefined ? {} : { hboneAuthority: authority }),
    ...request.facts,
  };
  return openRecord(context.sink, facts, performance.now.bind(performance));
}

/** Headers of the CONNECT request (spec/node-proxy.md 2.5); nothing for plain TCP. */
function headersOf(context: PodContext, routed: Routed): Readonly<Record<string, string>> {
  if (routed.request.kind === 'tcp') return {};
  const { clientAddress, request, source } = routed;
  const host = request.facts.service?.hostname;
  return {
    baggage: formatBaggage(baggageOf(source)),
    forwarded: formatForwarded(clientAddress, host),
    traceparent: newTraceparent(),
    ...(request.kind === 'double-hbone' ? { 'x-forwarded-network': context.config.network } : {}),
  };
}

function dumpOf(routed: Routed): DumpedConnection {
  const protocols = { tcp: 'TCP', hbone: 'HBONE', 'double-hbone': 'DOUBLEHBONE' } as const;
  return {
    direction: 'outbound',
    src: formatIpPort(routed.clientAddress.ip, routed.clientAddress.port),
    originalDst: formatIpPort(routed.destination.ip, routed.destination.port),
    actualDst: targetText(routed.request.target),
    protocol: protocols[routed.request.kind],
  };
}
