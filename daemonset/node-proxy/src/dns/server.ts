/**
 * DNS queries of one pod in; local answers or forwarded replies out. Data thread (decision W11).
 *
 * Called by `threads/pod-traffic.ts` with bound descriptors. The client is always the pod that owns the listener, so
 * names are scoped by its workload record whatever the packet says (spec/node-proxy.md 11.1).
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { isNativeAvailable, leaveReusePortGroup } from '@ambit/net';
import { findOwnOrUndefined, type PodContext } from '../threads/pod-context.ts';
import { errorText } from '../telemetry/response-flags.ts';
import { queryTypeName } from './dns-metrics.ts';
import { forwardQuery } from './forward.ts';
import { answersOfHosts } from './hosts-file.ts';
import { buildError, buildReply, type DnsQuery, parseQuery, RCODE, truncated, udpLimitBytes } from './message.ts';
import { resolveName, TTL_SECONDS } from './resolver.ts';

/** A running DNS listener. */
export interface DnsListener {
  /** Takes no new queries; those that were sent already are answered. Idempotent. */
  close(): void;
  /** Ends now, unanswered queries included. Idempotent. */
  destroy(): void;
}

/** Idle limit of a TCP client. */
const TCP_IDLE_MS = 5000;
/** After leaving to its successor a UDP socket reads this long what was on its way to it. */
const UDP_LINGER_MS = 100;
/** TCP clients served at once per pod and thread. */
const MAX_TCP_CLIENTS = 256;

/** Serves UDP on a bound descriptor, which it takes over. */
export function serveDnsUdp(context: PodContext, fd: number, family: 4 | 6): DnsListener {
  const socket: UdpSocket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  socket.on('error', (error) => context.log.warn('dns socket failed', { error: errorText(error) }));
  let state: 'open' | 'leaving' | 'left' | 'closed' = 'open';
  let unanswered = 0;
  const destroy = (): void => {
    if (state !== 'closed') socket.close();
    state = 'closed';
  };
  const settle = (): void => {
    if (state === 'left' && unanswered === 0) destroy();
  };
  socket.on('message', (bytes, from) => {
    unanswered += 1;
    void answer(context, bytes, 'udp').then((reply) => {
      unanswered -= 1;
      if (reply !== undefined && state !== 'closed') socket.send(reply, from.port, from.address, () => undefined);
      settle();
      return undefined;
    });
  });
  socket.bind({ fd });
  return {
    close() {
      if (state !== 'open') return;
      state = 'leaving';
      // A query that is lost costs its pod the whole timeout of its resolver, 5 s as a rule.
      const token = context.drain.hold();
      socket.once('close', () => token[Symbol.dispose]());
      if (isNativeAvailable()) leaveReusePortGroup(fd, family);
      setTimeout(() => {
        if (state === 'leaving') state = 'left';
        settle();
      }, UDP_LINGER_MS);
    },
    destroy,
  };
}

/** Serves TCP on a bound descriptor, which it takes over. Resolves when it listens. */
export async function serveDnsTcp(context: PodContext, fd: number): Promise<DnsListener> {
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    serveTcpClient(context, socket);
  });
  server.maxConnections = MAX_TCP_CLIENTS;
  server.on('error', (error) => context.log.warn('dns listener failed', { error: errorText(error) }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    close() {
      server.close();
      for (const socket of clients) socket.destroySoon();
    },
    destroy() {
      server.close();
      for (const socket of clients) socket.destroy();
    },
  };
}

function serveTcpClient(context: PodContext, socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      const query = rest.subarray(2, end);
      rest = rest.subarray(end);
      void answer(context, query, 'tcp').then((reply) => {
        if (reply === undefined) return undefined;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        return socket.write(Buffer.concat([length, reply]));
      });
    }
  });
}

/** Answers one message; undefined drops it. Never rejects. */
async function answer(context: PodContext, bytes: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
  const parsed = parseQuery(bytes);
  if (parsed.kind === 'drop') return undefined;
  if (parsed.kind === 'error') return buildError(parsed.id, parsed.rcode);
  const { query } = parsed;
  const limitBytes = protocol === 'udp' ? udpLimitBytes(query) : 65_535;
  const client = await findOwnOrUndefined(context);
  if (client === undefined) {
    count(context, query, protocol, undefined);
    return buildError(query.id, RCODE.servFail, query);
  }
  const decision = resolveName(context.state.snapshot(), query.name, query.type, {
    client,
    clusterDomain: context.config.clusterDomain,
    searchDomains: context.config.dns.searchDomains,
    preferredNamespace: context.config.dns.preferredNamespace,
    ipv6: context.config.ipv6,
    random: Math.random,
  });
  if (decision.kind === 'answer') {
    count(context, query, protocol, client);
    logQuery(context, query, decision.result, decision.answers.length);
    return buildReply(query, { rcode: RCODE.noError, answers: decision.answers, ttlSeconds: TTL_SECONDS }, limitBytes);
  }
  const ours = answersOfHosts(context.config.dns.hosts, query.name, query.type);
  if (ours !== undefined) {
    count(context, query, protocol, client, { seconds: 0, failed: false });
    logQuery(context, query, 'forwarded', ours.length);
    return buildReply(query, { rcode: RCODE.noError, answers: ours, ttlSeconds: TTL_SECONDS }, limitBytes);
  }
  const startedMs = performance.now();
  const reply = truncated(await forwardQuery(context, bytes, protocol), query, limitBytes);
  const seconds = (performance.now() - startedMs) / 1000;
  count(context, query, protocol, client, { seconds, failed: reply === undefined });
  logQuery(context, query, reply === undefined ? 'forwarding failed (no name server answered)' : 'forwarded', 0);
  return reply ?? buildError(query.id, RCODE.servFail, query);
}

function count(
  context: PodContext,
  query: DnsQuery,
  protocol: 'udp' | 'tcp',
  client: { readonly canonicalName: string; readonly canonicalRevision: string } | undefined,
  upstream?: { seconds: number; failed: boolean },
): void {
  context.dnsMetrics.count({
    queryType: queryTypeName(query.type),
    protocol,
    canonicalService: client?.canonicalName || 'unknown',
    canonicalRevision: client?.canonicalRevision || 'unknown',
    ...(upstream === undefined ? {} : { upstream }),
  });
}

function logQuery(context: PodContext, query: DnsQuery, result: string, endpoints: number): void {
  const { name, namespace } = context.pod.workload;
  context.dnsLog.debug('query', {
    'src.workload': name,
    'src.namespace': namespace,
    query: queryTypeName(query.type),
    domain: query.name,
    result,
    endpoints,
  });
}
