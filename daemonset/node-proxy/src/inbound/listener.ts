/**
 * Accepted connections on 15008 in; authorized tunnels carried to the application. Path 2, step 1.
 *
 * Called by `threads/pod-traffic.ts`; TLS and HTTP/2 are `@ambit/hbone`. Runs on a data thread from accept to close.
 * Border rule: until the application is connected a failure is an HTTP status (400, 401, 503); after the 200 it is only
 * a reset of the stream and a log line (spec/node-proxy.md 3.2).
 */
import {
  createHboneServer,
  forwardedHost,
  type HboneServer,
  parseAuthority,
  parseBaggage,
  type TunnelRequest,
} from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import {
  encodeProxyV2,
  type Endpoint,
  PROXY_TLV_IDENTITY,
  Region,
  type SocketAddress,
  type TlsContext,
} from '@ambit/net';
import { Cancellation, type CancelSignal } from '@ambit/runtime/cancellation';
import { canonicalIp, formatIpPort, identityOf, type InboundAuthority, type IpPort, type Workload } from '@ambit/state';
import { carry } from '../connections/carry.ts';
import type { TlsIdentity } from '../identity/thread-certificates.ts';
import { hboneLimits } from '../outbound/upstream-options.ts';
import { type ConnectionRecord, earlyDenial, openRecord } from '../telemetry/connection-record.ts';
import { baggageOf, partyOf, serviceParty, sourceParty } from '../telemetry/party.ts';
import { isRevoked, NodeProxyError } from '../telemetry/response-flags.ts';
import { illegalPorts, knownOwnWorkload, ownWorkload, type PodContext } from '../threads/pod-context.ts';
import type { OnDemand } from '../updates/on-demand.ts';
import { authorize, denied, type InboundPlan, planTunnel, type TunnelFacts } from './authorize.ts';
import { connectApplication } from './forward.ts';
import { logDecision } from './policy-log.ts';

/** The HBONE server of one pod on one thread. */
export interface TunnelServer {
  /** Takes an accepted connection over. */
  accept(endpoint: Endpoint): void;
  /** Live tunnel connections. */
  readonly connections: number;
  /** GOAWAY everywhere; running tunnels continue. Resolves when the last connection is gone. */
  close(): Promise<void>;
  /** Ends connections of matching peers now. */
  destroyWhere(predicate: (peer: PeerIdentity) => boolean, reason: Error): void;
  destroy(reason: Error): void;
}

/** Makes the server. */
export function createTunnelServer(context: PodContext): TunnelServer {
  let current: TlsIdentity | undefined;
  const identityNow = async (): Promise<TlsIdentity> => {
    // Asked per connection: the workload may not be known yet, and the certificate may have been renewed.
    current = await context.certificates.get(identityOf(await ownWorkload(context)));
    return current;
  };
  const server: HboneServer<PeerIdentity> = createHboneServer<PeerIdentity>({
    tls: async (): Promise<TlsContext> => (await identityNow()).context,
    verifyPeer(chain) {
      if (current === undefined)
        throw new NodeProxyError('ERR_NODE_PROXY_IDENTITY', 'no certificate to check the peer with');
      return current.verifyClient(chain);
    },
    onTunnel: (request) => void serveTunnel(context, request), // never rejects
    limits: hboneLimits(context.config),
    log: context.log,
    onMalformed(request, reason) {
      earlyDenial(context.sink, {
        sourceAddress: addressText(request.remote),
        destinationAddress: addressText(request.local),
        direction: 'inbound',
        error: new Error(reason),
      });
    },
    onLimited: (limit) => (context.limited[limit] += 1),
    onHandshakeFailed(error, endpoint) {
      if (isRevoked(error)) context.revoked.destination += 1;
      earlyDenial(context.sink, {
        sourceAddress: addressText(endpoint.remote),
        destinationAddress: addressText(endpoint.local),
        direction: 'inbound',
        error: new Error(`tls handshake error: ${error.message}`, { cause: error }),
      });
    },
  });
  return {
    accept: (endpoint) => server.accept(endpoint),
    get connections() {
      return server.connections;
    },
    async close() {
      server.close();
      await server.closed;
    },
    destroyWhere: (predicate, reason) => server.destroyWhere(predicate, reason),
    destroy: (reason) => server.destroy(reason),
  };
}

/** Serves one CONNECT. Never rejects; answers exactly once. */
async function serveTunnel(context: PodContext, request: TunnelRequest<PeerIdentity>): Promise<void> {
  const hold = context.drain.hold();
  try {
    const authority = authorityOf(request);
    const own = knownOwnWorkload(context) ?? (await ownOr503(context));
    if (context.onDemand !== undefined) await fetchOnDemand(context.onDemand, request, own, authority);
    const facts = factsOf(context, request, own, authority);
    const plan = planTunnel(context.state.snapshot(), facts);
    if (plan.kind === 'refuse') throw new Refusal(plan.status, plan.error);
    await carryTunnel(context, request, plan, own);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(503, error);
    earlyDenial(context.sink, {
      sourceAddress: addressText(request.remote),
      destinationAddress: addressText(request.local),
      direction: 'inbound',
      error: refusal.why,
    });
    request.reject(refusal.status, refusal.message);
  } finally {
    hold[Symbol.dispose]();
  }
}

/** A failure before the 200, with the status that tells the peer. */
class Refusal extends Error {
  readonly status: number;
  readonly why: unknown;

  constructor(status: number, why: unknown) {
    super(why instanceof Error ? why.message : String(why), { cause: why });
    this.status = status;
    this.why = why;
  }
}

function authorityOf(request: TunnelRequest): InboundAuthority {
  try {
    const authority = parseAuthority(request.authority);
    if (authority.kind === 'hostname') return { kind: 'hostname', hostname: authority.host, port: authority.port };
    return { ...authority, ip: canonicalIp(authority.ip) ?? authority.ip };
  } catch (error) {
    throw new Refusal(400, error);
  }
}

async function ownOr503(context: PodContext): Promise<Workload> {
  try {
    return await ownWorkload(context);
  } catch (error) {
    throw new Refusal(503, error);
  }
}

/** On demand: the source, and the address asked for where it is not the own one (a waypoint's). */
async function fetchOnDemand(
  onDemand: OnDemand,
  request: TunnelRequest,
  own: Workload,
  authority: InboundAuthority,
): Promise<void> {
  const ips = [request.remote?.ip, authority.kind === 'address' ? authority.ip : undefined];
  await Promise.all(
    ips.map(async (ip) => (ip === undefined || own.ips.includes(ip) ? undefined : onDemand.fetch(own.network, ip))),
  );
}

function factsOf(
  context: PodContext,
  request: TunnelRequest<PeerIdentity>,
  own: Workload,
  authority: InboundAuthority,
): TunnelFacts {
  return {
    own,
    authority,
    remote: request.remote ?? { ip: '0.0.0.0', port: 0 },
    localIp: request.local?.ip ?? own.ips[0] ?? '',
    illegalPorts: illegalPorts(context.config),
    peer: request.peer.uri,
    forwardedNetwork: request.headers['x-forwarded-network'],
    forwardedHost: forwardedHost(request.headers['forwarded']),
  };
}

/** Register, check, connect, then 200. From here on the record is completed exactly once. */
async function carryTunnel(
  context: PodContext,
  request: TunnelRequest<PeerIdentity>,
  plan: Extract<InboundPlan, { kind: 'forward' }>,
  own: Workload,
): Promise<void> {
  const cancellation = new Cancellation();
  const client = request.remote ?? { ip: '0.0.0.0', port: 0 };
  const record = recordOf(context, request, plan);
  const registered = context.registry.register({
    facts: plan.facts,
    dump: {
      direction: 'inbound',
      src: addressText(client),
      originalDst: forwardedHost(request.headers['forwarded']) ?? null,
      actualDst: formatIpPort(plan.target.ip, plan.target.port),
      protocol: 'HBONE',
    },
    destroy: (reason) => cancellation.abort(reason),
  });
  const onAbandoned = (reason: Error) => cancellation.abort(reason);
  request.onAbandoned = onAbandoned;
  try {
    const upstream = await connectAllowed(context, plan, { client, signal: cancellation });
    const baggage = context.config.responseBaggage ? { baggage: baggageOf(own) } : undefined;
    const tunnel = request.accept(baggage);
    if (plan.proxyDestination !== undefined) {
      upstream.write([proxyHeader(client, plan.proxyDestination, request.peer.uri)]);
    }
    await carry(tunnel, upstream, { record, signal: cancellation });
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(503, error);
    record.complete(refusal.why);
    request.reject(refusal.status, refusal.message);
  } finally {
    registered[Symbol.dispose]();
  }
}

// The connection is registered: a policy that arrives from here on finds it (spec 3.7).
async function connectAllowed(
  context: PodContext,
  plan: Extract<InboundPlan, { kind: 'forward' }>,
  { client, signal }: { readonly client: SocketAddress; readonly signal: CancelSignal },
): Promise<Endpoint> {
  const decision = authorize(context.state.snapshot(), plan.facts, context.config.missingPolicy);
  logDecision(context, decision, plan.facts);
  if (!decision.allow) throw new Refusal(401, denied(decision));
  return connectApplication(context, {
    target: plan.target,
    client,
    proxyDestination: plan.proxyDestination,
    signal,
  });
}

function recordOf(
  context: PodContext,
  request: TunnelRequest<PeerIdentity>,
  plan: Extract<InboundPlan, { kind: 'forward' }>,
): ConnectionRecord {
  // A record says more than the peer does, and needs no parsing.
  const asksPeer = plan.source === undefined && context.config.responseBaggage;
  const baggage = asksPeer ? parseBaggage(request.headers['baggage']) : undefined;
  const source = sourceParty(plan.source, request.peer.uri, baggage);
  const service = serviceParty(plan.service);
  return openRecord(context.sink, {
    reporter: 'destination',
    sourceAddress: addressText(request.remote),
    destinationAddress: addressText(request.local),
    hboneAuthority: request.authority,
    traceparent: request.headers['traceparent'],
    destination: partyOf(plan.facts.destination),
    mutualTls: true,
    ...(source === undefined ? {} : { source }),
    ...(service === undefined ? {} : { service }),
  });
}

/** The first bytes for an application behind a PROXY tunnel: client, addressed destination, source identity (spec 3.2.6). */
function proxyHeader(client: SocketAddress, destination: IpPort, identity: string): Region {
  return Region.of(encodeProxyV2(client, destination, [{ type: PROXY_TLV_IDENTITY, value: Buffer.from(identity) }]));
}

function addressText(address: SocketAddress | undefined): string {
  return address === undefined ? 'unknown' : formatIpPort(address.ip, address.port);
}
