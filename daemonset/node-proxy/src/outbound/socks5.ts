/**
 * A SOCKS5 client's connection in; the same flow as a captured connection, with the destination it named.
 *
 * Called by `threads/pod-traffic.ts` for each connection on 15080, on a data thread. The success reply goes out before
 * the upstream connection is tried, as ztunnel does (spec/node-proxy.md 3.5).
 */
import { lookup } from 'node:dns/promises';
import { AGAIN, type Endpoint, EOF, Region, type SocketAddress } from '@ambit/net';
import { resolveHostname } from '../dns/resolver.ts';
import { earlyDenial } from '../telemetry/connection-record.ts';
import { errorText, NodeProxyError } from '../telemetry/response-flags.ts';
import { ownWorkload, type PodContext } from '../threads/pod-context.ts';
import { serveOutbound } from './listener.ts';
import { withPrefix } from './relay.ts';
import {
  parseGreeting,
  parseRequest,
  SOCKS5_LIMIT_BYTES,
  SOCKS5_REPLY,
  type Socks5Step,
  type Socks5Target,
  socks5Reply,
} from './socks5-protocol.ts';

/** Longest handshake of a client. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Serves one SOCKS5 client. Never rejects; owns the endpoint. */
export async function serveSocks5(context: PodContext, client: Endpoint): Promise<void> {
  try {
    const { target, rest } = await handshake(client);
    const destination = await destinationOf(context, client, target);
    client.write([Region.of(socks5Reply(SOCKS5_REPLY.success))]);
    client.onReadable = undefined;
    client.onClose = undefined;
    await serveOutbound(context, rest.length === 0 ? client : withPrefix(client, rest), destination);
  } catch (error) {
    earlyDenial(context.sink, {
      sourceAddress: client.remote === undefined ? 'unknown' : `${client.remote.ip}:${client.remote.port}`,
      destinationAddress: 'socks5',
      direction: 'outbound',
      error,
    });
    client.close();
  }
}

async function handshake(client: Endpoint): Promise<{ target: Socks5Target; rest: Buffer }> {
  const done = Promise.withResolvers<{ target: Socks5Target; rest: Buffer }>();
  let bytes: Buffer = Buffer.alloc(0);
  let parse: (input: Buffer) => Socks5Step = parseGreeting;
  const fail = (why: string): void => done.reject(new NodeProxyError('ERR_NODE_PROXY_SOCKS5', `socks5: ${why}`));
  const advance = (): void => {
    for (;;) {
      const step = parse(bytes);
      if (step.kind === 'more') {
        if (bytes.length > SOCKS5_LIMIT_BYTES) fail('the request is too long');
        return;
      }
      if (step.kind === 'refuse') {
        client.write([Region.of(step.bytes)]);
        return fail(step.reason);
      }
      bytes = bytes.subarray(step.consumed);
      if (step.kind === 'target') return done.resolve({ target: step.target, rest: bytes });
      client.write([Region.of(step.bytes)]);
      parse = parseRequest;
    }
  };
  const read = (): void => {
    for (let next = client.read(); next !== AGAIN; next = client.read()) {
      if (next === EOF) return fail('the client closed the connection');
      bytes = Buffer.concat([bytes, next.bytes]);
      next.release();
    }
    advance();
  };
  client.onReadable = read;
  const onClose = () => fail('the client reset the connection');
  client.onClose = onClose;
  const timer = setTimeout(() => fail(`no request within ${HANDSHAKE_TIMEOUT_MS} ms`), HANDSHAKE_TIMEOUT_MS);
  timer.unref();
  read();
  try {
    return await done.promise;
  } finally {
    clearTimeout(timer);
    client.onReadable = undefined;
  }
}

/** The address a target means: names are answered from state first, then by the system resolver. */
async function destinationOf(context: PodContext, client: Endpoint, target: Socks5Target): Promise<SocketAddress> {
  if (target.ip !== undefined) return { ip: target.ip, port: target.port };
  const name = target.domain ?? '';
  const family = client.remote?.ip.includes(':') === true ? 6 : 4;
  const own = await ownWorkload(context);
  const known = resolveHostname(context.state.snapshot(), name, family, {
    client: own,
    clusterDomain: context.config.clusterDomain,
    searchDomains: context.config.dns.searchDomains,
    preferredNamespace: context.config.dns.preferredNamespace,
    ipv6: context.config.ipv6,
    random: Math.random,
  });
  if (known !== undefined) return { ip: known, port: target.port };
  try {
    const { address } = await lookup(name, { family });
    return { ip: address, port: target.port };
  } catch (cause) {
    client.write([Region.of(socks5Reply(SOCKS5_REPLY.unresolved))]);
    throw new NodeProxyError('ERR_NODE_PROXY_SOCKS5', `socks5: ${name} cannot be resolved: ${errorText(cause)}`, {
      cause,
    });
  }
}
