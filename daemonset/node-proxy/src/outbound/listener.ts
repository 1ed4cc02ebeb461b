/**
 * Accepted connection of an application in; a carried connection and its completed record out. Path 1, step 1.
 *
 * Called by `threads/pod-traffic.ts` for each connection on 15001; `socks5.ts` enters at `serveOutbound` with the
 * destination its client named. Runs on a data thread from accept to close. Flow: spec/node-proxy.md 3.4.
 */
import { formatForwarded, newTraceparent, parseBaggage, type TunnelStream } from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import { type Endpoint, originalDestination, type SocketAddress } from '@ambit/net';
import { Cancellation } from '@ambit/runtime/cancellation';
import { formatIpPort, type Workload } from '@ambit/state';
import { abandonedBy, carry } from '../connections/carry.ts';
import type { RegisteredConnection } from '../connections/registry.ts';
import type { PolicyFacts } from '../inbound/authorize.ts';
import {
  type ConnectionParty,
  type ConnectionRecord,
  earlyDenial,
  openRecord,
} from '../telemetry/connection-record.ts';
import { baggageOf, derivedParty } from '../telemetry/party.ts';
import type { DumpedConnection } from '../threads/messages.ts';
import { illegalPorts, knownOwnWorkload, ownWorkload, type PodContext } from '../threads/pod-context.ts';
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
  const hold = context.drain.hold();
  context.openSockets.source += 1;
  const clientAddress = client.remote ?? { ip: '0.0.0.0', port: 0 };
  try {
    const source = knownOwnWorkload(context) ?? (await ownWorkload(context));
    if (context.onDemand !== undefined) await context.onDemand.fetch(source.network, destination.ip);
    const request = routeOutbound({
      snapshot: context.state.snapshot(),
      source,
      sourceIp: clientAddress.ip,
      destination,
      illegalPorts: illegalPorts(context.config),
      random: Math.random,
    });
    if (request.kind === 'reject') throw request.error;
    await carryRouted(context, {
      client,
      clientAddress,
      source,
      destination,
      request,
      traceparent: request.kind === 'tcp' ? undefined : newTraceparent(),
    });
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
    hold[Symbol.dispose]();
  }
}

interface Routed {
  readonly client: Endpoint;
  readonly clientAddress: SocketAddress;
  readonly source: Workload;
  readonly destination: SocketAddress;
  readonly request: Exclude<OutboundRequest, { kind: 'reject' }>;
  /** Names the connection at both ends of its tunnel; absent for plain TCP. */
  readonly traceparent: string | undefined;
}

/** From here on a failure completes the record instead of being an early denial. */
async function carryRouted(context: PodContext, routed: Routed): Promise<void> {
  const cancellation = new Cancellation();
  const { client } = routed;
  const connection: RegisteredConnection<PolicyFacts> = {
    facts: undefined,
    dump: dumpOf(routed),
    destroy: (reason) => cancellation.abort(reason),
  };
  // Who serves behind a network gateway is known only when it answered; until then nothing is counted.
  let record = routed.request.kind === 'double-hbone' ? undefined : recordOf(context, routed);
  const registered = context.registry.register(connection);
  const onClose = (error: Error | undefined) => cancellation.abort(abandonedBy('the client', error));
  client.onClose = onClose;
  try {
    const { endpoint, inner } = await connectOutbound(routed.request, {
      context,
      source: routed.source,
      sourceIp: routed.clientAddress.ip,
      headers: headersOf(context, routed),
      signal: cancellation,
    });
    if (inner !== undefined) connection.innerPeer = inner.peer;
    record ??= recordOf(context, routed, inner === undefined ? undefined : innerParty(inner));
    await carry(client, endpoint, { record, signal: cancellation });
  } catch (error) {
    (record ?? recordOf(context, routed)).complete(error);
    client.destroy(error instanceof Error ? error : new Error('outbound connection failed'));
  } finally {
    registered[Symbol.dispose]();
  }
}

/** The far end of a tunnel inside a tunnel, as its certificate and its answer describe it (spec/node-proxy.md 9.1, 9.3). */
function innerParty({ peer, responseHeaders }: TunnelStream<PeerIdentity>): ConnectionParty {
  const baggage = parseBaggage(responseHeaders['baggage']);
  const party = derivedParty(peer.uri, baggage ?? {});
  return party.workload === undefined ? party : { ...party, instance: party.workload };
}

function recordOf(context: PodContext, routed: Routed, destination?: ConnectionParty): ConnectionRecord {
  const { request, clientAddress } = routed;
  const authority = request.kind === 'tcp' ? undefined : request.authority;
  const facts = {
    reporter: 'source' as const,
    sourceAddress: formatIpPort(clientAddress.ip, clientAddress.port),
    destinationAddress: targetText(request.target),
    ...(authority === undefined ? {} : { hboneAuthority: authority }),
    traceparent: routed.traceparent,
    ...request.facts,
    ...(destination === undefined ? {} : { destination }),
  };
  return openRecord(context.sink, facts);
}

/** Headers of the CONNECT request (spec/node-proxy.md 2.5); nothing for plain TCP. */
function headersOf(context: PodContext, routed: Routed): Readonly<Record<string, string>> {
  const { clientAddress, request, source, traceparent } = routed;
  if (traceparent === undefined) return {};
  const host = request.facts.service?.hostname;
  return {
    baggage: baggageOf(source),
    forwarded: formatForwarded(clientAddress, host),
    traceparent,
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
