/**
 * `OutboundRequest` in; a connected endpoint out, one small function per protocol. Path 1, step 4. Data thread.
 *
 * Called by `listener.ts`. A tunnel is opened through the pod's pool, which itself tries again when the peer drained
 * and never saw the request; no application can notice that.
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { TunnelStream } from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import { connect, type Endpoint } from '@ambit/net';
import type { CancelSignal } from '@ambit/runtime/cancellation';
import { formatIpPort, identityOf, type Target, type Workload } from '@ambit/state';
import { partyOf } from '../telemetry/party.ts';
import { errorText, NodeProxyError } from '../telemetry/response-flags.ts';
import type { PodContext } from '../threads/pod-context.ts';
import { openDoubleHbone } from './double-hbone.ts';
import type { OutboundRequest } from './route.ts';
import { connectThroughRelay, isRelayed } from './relay.ts';
import { upstreamOptions } from './upstream-options.ts';

/** What a connect needs to know of the connection it is for. */
export interface ConnectInput {
  readonly context: PodContext;
  readonly source: Workload;
  readonly sourceIp: string;
  /** Headers of the CONNECT request: baggage, forwarded, traceparent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: CancelSignal;
}

/** An opened upstream side. */
export interface Upstream {
  readonly endpoint: Endpoint;
  /** The same for a tunnel inside a tunnel, with who is at its far end. */
  readonly inner?: TunnelStream<PeerIdentity>;
}

/** Opens the upstream side. The caller owns the endpoint. Rejects with the error the record is completed with. */
export async function connectOutbound(
  request: Exclude<OutboundRequest, { kind: 'reject' }>,
  input: ConnectInput,
): Promise<Upstream> {
  switch (request.kind) {
    case 'tcp':
      return { endpoint: await connectTcp(await addressOf(request.target, input), input) };
    case 'hbone':
      return { endpoint: await openTunnel(request, input) };
    case 'double-hbone': {
      const inner = await openDoubleHbone(request, await addressOf(request.target, input), input);
      return { endpoint: inner, inner };
    }
    default:
      return request satisfies never;
  }
}

async function connectTcp(to: { ip: string; port: number }, input: ConnectInput): Promise<Endpoint> {
  const { context, signal } = input;
  if (isRelayed(context, to.ip)) return connectThroughRelay(context, to, signal);
  try {
    return await connect(context.pod.domain, upstreamOptions(context, to, signal));
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new NodeProxyError('ERR_NODE_PROXY_CONNECT', `io error: ${errorText(cause)}`, { cause });
  }
}

async function openTunnel(
  request: Extract<OutboundRequest, { kind: 'hbone' }>,
  input: ConnectInput,
): Promise<TunnelStream> {
  const to = await addressOf(request.target, input);
  const key = {
    source: identityOf(input.source),
    destination: formatIpPort(to.ip, to.port),
    expected: request.expected,
    sourceAddress: input.sourceIp,
  };
  const authority = request.authority ?? formatIpPort(to.ip, request.authorityPort);
  return input.context.pool.open(key, { authority, headers: input.headers, signal: input.signal });
}

/** The address of a target; a host name is resolved by the system resolver, preferring the application's family. */
async function addressOf(target: Target, input: ConnectInput): Promise<{ ip: string; port: number }> {
  if (target.kind === 'ip') return { ip: target.ip, port: target.port };
  input.context.onDemandDns.count(partyOf(input.source), target.hostname);
  const found = await resolveHostname(target);
  const same = found.filter(({ family }) => family === target.family);
  const usable = same.length > 0 ? same : found;
  const chosen = usable[Math.floor(Math.random() * usable.length)];
  if (chosen === undefined) throw unresolved(target);
  return { ip: chosen.address, port: target.port };
}

async function resolveHostname(target: HostnameTarget): Promise<readonly LookupAddress[]> {
  try {
    return await lookup(target.hostname, { all: true, order: 'verbatim' });
  } catch (cause) {
    throw unresolved(target, cause);
  }
}

type HostnameTarget = Extract<Target, { kind: 'hostname' }>;

function unresolved({ workload, hostname }: HostnameTarget, cause?: unknown): NodeProxyError {
  return new NodeProxyError('ERR_NODE_PROXY_NO_ROUTE', `no ip addresses were resolved for workload: ${workload}`, {
    cause,
    hint: `the workload has only a host name, ${hostname}, which the resolver of the node must know`,
  });
}
