/**
 * A service address that exists only virtually in; a connection through the node's service relay out.
 *
 * Only in the loopback domain (local cluster without namespaces): service addresses have no routes there, the node
 * runtime's SOCKS5 relay stands in for kube-proxy. Called by `connect.ts` on a data thread.
 */
import { AGAIN, connect, type Endpoint, EOF, Region, type SocketDomain } from '@ambit/net';
import { type CancelSignal, offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import ipaddr from 'ipaddr.js';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import type { PodContext } from '../threads/pod-context.ts';
import { connectRequest, parseConnectReply } from './socks5-protocol.ts';

const REPLY_TIMEOUT_MS = 10_000;

/** True when an address can be reached only through the relay. */
export function isRelayed(context: PodContext, ip: string): boolean {
  return context.pod.domain.kind === 'loopback' && context.config.relay !== undefined && !ip.startsWith('127.');
}

/**
 * Connects through the relay; the caller owns the endpoint. The proxy's own address is the source: the relay sends what
 * comes from a meshed pod's address back to this proxy.
 */
export async function connectThroughRelay(
  context: PodContext,
  to: { readonly ip: string; readonly port: number },
  signal: CancelSignal,
): Promise<Endpoint> {
  const relay = context.config.relay;
  if (relay === undefined) throw new NodeProxyError('ERR_NODE_PROXY_CONNECT', 'no service relay is configured');
  const { ownAddress } = context.config;
  const domain: SocketDomain = ownAddress === undefined ? { kind: 'host' } : { kind: 'loopback', address: ownAddress };
  const endpoint = await connect(domain, { host: relay.ip, port: relay.port, signal });
  endpoint.write([Region.of(connectRequest(Uint8Array.from(ipaddr.parse(to.ip).toByteArray()), to.port))]);
  return replied(endpoint, `${to.ip}:${to.port}`, signal);
}

async function replied(endpoint: Endpoint, target: string, signal: CancelSignal): Promise<Endpoint> {
  const done = Promise.withResolvers<Buffer>();
  let bytes: Buffer = Buffer.alloc(0);
  const fail = (why: string): void =>
    done.reject(
      new NodeProxyError('ERR_NODE_PROXY_CONNECT', `connection failed: the service relay ${why} for ${target}`),
    );
  const read = (): void => {
    for (let next = endpoint.read(); next !== AGAIN; next = endpoint.read()) {
      if (next === EOF) return fail('closed the connection');
      bytes = Buffer.concat([bytes, next.bytes]);
      next.release();
      const reply = parseConnectReply(bytes);
      if (reply.kind === 'refused') return fail(`answered ${reply.code}`);
      if (reply.kind === 'connected') return done.resolve(bytes.subarray(reply.consumed));
    }
    return undefined;
  };
  endpoint.onReadable = read;
  const onClose = () => fail('reset the connection');
  endpoint.onClose = onClose;
  const abort = (): void => done.reject(signal.reason);
  onCancelled(signal, abort);
  const timer = setTimeout(() => fail(`did not answer within ${REPLY_TIMEOUT_MS} ms`), REPLY_TIMEOUT_MS);
  read();
  try {
    const rest = await done.promise;
    endpoint.onClose = undefined;
    endpoint.onReadable = undefined;
    return rest.length === 0 ? endpoint : withPrefix(endpoint, rest);
  } catch (error) {
    endpoint.destroy(error instanceof Error ? error : new Error('relay failed'));
    throw error;
  } finally {
    clearTimeout(timer);
    offCancelled(signal, abort);
  }
}

/** The endpoint with bytes that were read already put back in front. */
export function withPrefix(endpoint: Endpoint, bytes: Buffer): Endpoint {
  let pending: Region | undefined = Region.of(Buffer.from(bytes));
  return new Proxy(endpoint, {
    get(target, property) {
      if (property === 'read') {
        return () => {
          const first = pending;
          pending = undefined;
          return first ?? target.read();
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, property, value) => Reflect.set(target, property, value, target),
  });
}
