/**
 * A query nobody here answers in; the upstream resolver's reply out. Data thread.
 *
 * Called by `server.ts`. The query goes on unchanged but for a fresh id, from a socket in the pod's namespace with the
 * proxy's mark, to the name servers of the proxy's own resolv.conf (spec/node-proxy.md 11.6): UDP first, TCP when the
 * reply was cut. Replies are kept for as long as their records live (`reply-cache.ts`). At most 256 queries of a pod wait at
 * once. Deviation: authority records are passed on unchanged.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { AGAIN, bindUdp, connect, EOF, Region, type SocketDomain } from '@ambit/net';
import { questionOf } from './message.ts';
import { upstreamOptions } from '../outbound/upstream-options.ts';
import type { PodContext } from '../threads/pod-context.ts';

/** Time for one name server; two rounds over the list. */
const ATTEMPT_MS = 2000;
const ROUNDS = 2;
/** Queries of one pod that may wait for a name server at once, per data thread; each holds a socket for up to 8 s. */
const MAX_UNDER_WAY = 256;
const underWay = new Map<string, number>();

/** Asks the name servers in turn; undefined when none answered. Never rejects. */
export async function forwardQuery(
  context: PodContext,
  query: Buffer,
  protocol: 'udp' | 'tcp',
): Promise<Buffer | undefined> {
  const known = context.dnsCache.get(query);
  if (known !== undefined) return known;
  const inFlight = underWay.get(context.pod.uid) ?? 0;
  if (inFlight >= MAX_UNDER_WAY) return undefined;
  underWay.set(context.pod.uid, inFlight + 1);
  try {
    const reply = await askInTurn(context, query, protocol);
    if (reply !== undefined) context.dnsCache.put(query, reply);
    return reply;
  } finally {
    const left = (underWay.get(context.pod.uid) ?? 1) - 1;
    if (left === 0) underWay.delete(context.pod.uid);
    else underWay.set(context.pod.uid, left);
  }
}

async function askInTurn(context: PodContext, query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const server of context.config.dns.nameservers) {
      const reply = await ask(context, query, server, protocol);
      if (reply !== undefined) return reply;
    }
  }
  return undefined;
}

async function ask(
  context: PodContext,
  query: Buffer,
  server: string,
  protocol: 'udp' | 'tcp',
): Promise<Buffer | undefined> {
  try {
    const first = protocol === 'tcp' ? undefined : await askUdp(context, query, server);
    if (first !== undefined && (first.readUInt16BE(2) & 0x0200) === 0) return first;
    return (await askTcp(context, query, server)) ?? first;
  } catch {
    return undefined; // the next server is tried; the outcome is counted by the caller
  }
}

async function askUdp(context: PodContext, query: Buffer, server: string): Promise<Buffer | undefined> {
  const id = randomInt(65_536);
  const sent = withId(query, id);
  const six = server.includes(':');
  const socket = createSocket(six ? 'udp6' : 'udp4');
  const done = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(() => done.resolve(undefined), ATTEMPT_MS);
  socket.on('error', () => done.resolve(undefined));
  socket.on('message', (reply, from) => {
    if (isReplyTo(sent, reply) && from.port === 53) done.resolve(Buffer.from(reply));
  });
  try {
    bindIn(context.pod.domain, socket, six, context.config.packetMark);
    socket.send(sent, 53, server, (error) => {
      if (error !== null) done.resolve(undefined);
    });
    const reply = await done.promise;
    return reply === undefined ? undefined : withId(reply, query.readUInt16BE(0));
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function bindIn(
  domain: SocketDomain,
  socket: ReturnType<typeof createSocket>,
  six: boolean,
  mark: number | undefined,
): void {
  if (domain.kind !== 'netns') return;
  const fd = bindUdp(domain, { port: 0, address: six ? '::' : '0.0.0.0', ...(mark === undefined ? {} : { mark }) });
  socket.bind({ fd });
}

async function askTcp(context: PodContext, query: Buffer, server: string): Promise<Buffer | undefined> {
  const signal = AbortSignal.timeout(ATTEMPT_MS * 2);
  const endpoint = await connect(context.pod.domain, upstreamOptions(context, { ip: server, port: 53 }, signal));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  endpoint.write([Region.of(Buffer.concat([length, query]))]);
  const done = Promise.withResolvers<Buffer | undefined>();
  let bytes: Buffer = Buffer.alloc(0);
  const read = (): void => {
    for (let next = endpoint.read(); next !== AGAIN; next = endpoint.read()) {
      if (next === EOF) return done.resolve(undefined);
      bytes = Buffer.concat([bytes, next.bytes]);
      next.release();
      if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        return done.resolve(Buffer.from(bytes.subarray(2, 2 + bytes.readUInt16BE(0))));
      }
    }
    return undefined;
  };
  endpoint.onReadable = read;
  const onClose = () => done.resolve(undefined);
  endpoint.onClose = onClose;
  signal.addEventListener('abort', () => done.resolve(undefined), { once: true });
  read();
  const reply = await done.promise;
  endpoint.close();
  return reply;
}

/** Same id, a response, and the question that was asked: anything else is a late or forged packet (RFC 5452 9.1). */
function isReplyTo(sent: Buffer, reply: Buffer): boolean {
  const question = questionOf(sent);
  const isResponse = reply.length >= 12 && reply.readUInt16BE(0) === sent.readUInt16BE(0) && reply.readInt16BE(2) < 0;
  if (!isResponse) return false;
  // A name server that could not read the question may leave it out.
  if (reply.readUInt16BE(4) === 0) return (reply.readUInt16BE(2) & 0xf) !== 0;
  return questionOf(reply)?.toString('latin1').toLowerCase() === question?.toString('latin1').toLowerCase();
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
