/**
 * An inbound plan in; the connection to the application out. Path 2, step 6. Data thread.
 *
 * Called by `listener.ts` and `passthrough.ts`. The client's address is kept where the pod's sockets allow it; a PROXY
 * application tunnel is delivered to loopback and gets its header first (spec/node-proxy.md 3.2.5, 3.2.6).
 */
import { connect, type Endpoint, type SocketAddress } from '@ambit/net';
import type { CancelSignal } from '@ambit/runtime/cancellation';
import type { IpPort } from '@ambit/state';
import { upstreamOptions } from '../outbound/upstream-options.ts';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import type { PodContext } from '../threads/pod-context.ts';

/** Where to connect and as whom. */
export interface ForwardInput {
  readonly target: IpPort;
  readonly client: SocketAddress;
  /** Set for a PROXY application tunnel. */
  readonly proxyDestination: IpPort | undefined;
  readonly signal: CancelSignal;
}

/** Connects to the application. The caller owns the endpoint. Rejects with `connection failed: ...`. */
export async function connectApplication(context: PodContext, input: ForwardInput): Promise<Endpoint> {
  const { target, client, signal } = input;
  const viaLoopback = input.proxyDestination !== undefined && context.config.localhostAppTunnel;
  const to = viaLoopback ? loopbackOf(context, target) : target;
  const options = upstreamOptions(context, to, signal);
  try {
    return await connect(context.pod.domain, { ...options, ...spoofed(context, to, client, viaLoopback) });
  } catch (cause) {
    if (signal.aborted) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NodeProxyError('ERR_NODE_PROXY_CONNECT', `connection failed: ${why}`, { cause });
  }
}

function loopbackOf(context: PodContext, target: IpPort): IpPort {
  const { domain } = context.pod;
  if (domain.kind === 'loopback') return { ip: domain.address, port: target.port };
  return { ip: target.ip.includes(':') ? '::1' : '127.0.0.1', port: target.port };
}

/** Source options: the client's own address, where it can be kept and would not be the destination itself. */
function spoofed(
  context: PodContext,
  to: IpPort,
  client: SocketAddress,
  viaLoopback: boolean,
): { source?: string; transparent?: boolean } {
  if (viaLoopback || !context.pod.preserveSource || client.ip === to.ip) return {};
  if (context.pod.domain.kind === 'loopback') return client.ip.startsWith('127.') ? { source: client.ip } : {};
  return { source: client.ip, transparent: true };
}
