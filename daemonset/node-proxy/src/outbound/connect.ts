/**
 * `OutboundRequest` in; a connected endpoint out, one small function per protocol. Path 1, step 4. Data thread.
 *
 * Called by `listener.ts`. A tunnel is opened through the pod's pool, which itself tries again when the peer drained
 * and never saw the request; no application can notice that.
 */
import { lookup } from 'node:dns/promises';
import type { TunnelStream } from '@ambit/hbone';
import { connect, type Endpoint } from '@ambit/net';
import { formatIpPort, identityOf, type Target, type Workload } from '@ambit/state';
import { NodeProxyError } from '../telemetry/response-flags.ts';
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
  readonly signal: AbortSignal;
}

/** Opens the upstream side. The caller owns the endpoint. Rejects with the error the record is completed with. */
export async function connectOutbound(
  request: Exclude<OutboundRequest, { kind: 'reject' }>,
  input: ConnectInput,
): Promise<Endpoint> {
  switch (request.kind) {
    case 'tcp':
      return connectTcp(await addressOf(request.target), input);
    case 'hbone':
      return openTunnel(request, input);
    case 'double-hbone':
      return openDoubleHbone(request, await addressOf(request.target), input);
    default:
      return request satisfies never;
  }
}

async function connectTcp(to: { ip: string; port: number }, input: ConnectInput): Promise<Endpoint> {
  const { context, signal } = input;
  if (isRelayed(context, to.ip)) return connectThroughRelay(context, to, signal);
  return connect(context.pod.domain, upstreamOptions(context, to, signal));
}

async function openTunnel(
  request: Extract<OutboundRequest, { kind: 'hbone' }>,
  input: ConnectInput,
): Promise<TunnelStream> {
  const to = await addressOf(request.target);
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
export async function addressOf(target: Target): Promise<{ ip: string; port: number }> {
  if (target.kind === 'ip') return { ip: target.ip, port: target.port };
  const found = await lookup(target.hostname, { all: true, order: 'verbatim' });
  const same = found.filter(({ family }) => family === target.family);
  const usable = same.length > 0 ? same : found;
  const chosen = usable[Math.floor(Math.random() * usable.length)];
  if (chosen === undefined) {
    throw new NodeProxyError('ERR_NODE_PROXY_NO_ROUTE', `no ip addresses were resolved for ${target.hostname}`);
  }
  return { ip: chosen.address, port: target.port };
}
