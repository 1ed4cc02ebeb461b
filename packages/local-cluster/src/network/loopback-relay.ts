// A node's relay in loopback mode: kube-proxy and DNS stand-in, spoken to over SOCKS5.
// Comes in: connections of pods (the source address says which pod). Goes out: connections to service endpoints, through
// the pod's node proxy (`<podIP>:15080`) when it is in the mesh, else direct with the pod's address. Main thread.
import { isIPv4, createServer, connect as connectSocket } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import type { Pod } from '../controllers/objects.ts';
import { RECORD_TYPE } from './dns-message.ts';
import { answerName } from './dns-records.ts';
import type { ServiceRoute } from './service-table.ts';
import { buildConnect, buildReply, parseGreeting, parseRequest, SOCKS_COMMAND, SOCKS_REPLY } from './socks-message.ts';
import type { SocksRequest } from './socks-message.ts';
import { RELAY_PORT } from './topology.ts';
import type { NodePlace } from './topology.ts';

/** Port of a meshed pod's own SOCKS5 listener, kept by the node proxy. */
export const MESH_SOCKS_PORT = 15_080;
const HANDSHAKE_MS = 10_000;
const MAX_HANDSHAKE_BYTES = 1024;
const MAX_MAPPINGS = 4096;

/** A running relay. */
export interface LoopbackRelay {
  /** `ip:port` for AMBIT_LOOPBACK_RELAY. */
  readonly address: string;
  close(): void;
}

/** What a relay needs. */
export interface RelayOptions {
  readonly api: ObjectApi;
  readonly place: NodePlace;
  readonly table: () => ServiceRoute[];
  /** Called for each connection that no node proxy carries; the result gets what the pod sends on it. */
  readonly onPlaintext: () => (chunk: Buffer) => void;
  readonly log: Logger;
}

interface Destination {
  readonly ip: string;
  readonly port: number;
}

/** Starts the relay of one node. */
export async function startLoopbackRelay(options: RelayOptions): Promise<LoopbackRelay> {
  const { place, log } = options;
  const mappings = new Map<string, Promise<Server>>();
  const sockets = new Set<Socket>();

  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };

  // One listener per destination, for the life of the relay: who connects is known by the source address.
  const mapping = async (to: Destination): Promise<number> => {
    const key = `${to.ip}:${to.port}`;
    let server = mappings.get(key);
    if (server === undefined) {
      if (mappings.size >= MAX_MAPPINGS) throw new Error('too many destinations');
      server = listenAt(place.ip, 0, (socket) => {
        track(socket);
        void carry(socket, to);
      });
      mappings.set(key, server);
    }
    return ((await server).address() as AddressInfo).port;
  };

  const carry = async (client: Socket, to: Destination): Promise<void> => {
    client.pause();
    const source = sourceOf(client);
    try {
      const upstream = await dialFor(source, to, client);
      track(upstream);
      join(client, upstream);
    } catch (error) {
      log.debug('relay could not connect', { source, ip: to.ip, port: to.port, error: messageOf(error) });
      client.resetAndDestroy();
    }
  };

  const dialFor = async (source: string, to: Destination, client: Socket): Promise<Socket> => {
    const mesh = await dialMesh(source, to);
    if (mesh !== undefined) return mesh;
    const target = pickEndpoint(options.table(), to);
    if (target === undefined) throw new Error('no endpoint');
    const upstream = await dial(target, source);
    // Without the mesh the relay is the wire: what passes here, anybody on a real wire could read.
    client.on('data', options.onPlaintext());
    return upstream;
  };

  const serve = async (client: Socket): Promise<void> => {
    track(client);
    client.setTimeout(HANDSHAKE_MS, () => client.destroy());
    const request = await readHandshake(client);
    if (request === undefined) return void client.destroy();
    client.setTimeout(0);
    const source = sourceOf(client);
    const ip = isIPv4(request.host) ? request.host : resolveName(options.api, request.host, source);
    if (ip === undefined) return void client.end(buildReply(SOCKS_REPLY.unreachable));
    if (request.command === SOCKS_COMMAND.resolve) return void client.end(buildReply(SOCKS_REPLY.ok, ip));
    const to = { ip, port: request.port };
    if (request.command === SOCKS_COMMAND.map) {
      const port = await mapping(to);
      return void client.end(buildReply(SOCKS_REPLY.ok, place.ip, port));
    }
    if (request.command !== SOCKS_COMMAND.connect) return void client.end(buildReply(SOCKS_REPLY.badCommand));
    const upstream = await dialFor(source, to, client).catch(() => undefined);
    if (upstream === undefined) return void client.end(buildReply(SOCKS_REPLY.refused));
    track(upstream);
    client.write(buildReply(SOCKS_REPLY.ok, ip, request.port));
    join(client, upstream);
  };

  const main = await listenAt(place.ip, RELAY_PORT, (socket) => {
    serve(socket).catch((error: unknown) => {
      log.debug('relay request failed', { error: messageOf(error) });
      socket.destroy();
    });
  });
  return {
    address: `${place.ip}:${RELAY_PORT}`,
    close: () => {
      main.close();
      for (const server of mappings.values()) void server.then((each) => each.close());
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listenAt(host: string, port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  server.listen({ host, port });
  await once(server, 'listening');
  server.on('error', () => undefined); // an accept that failed concerns one client
  return server;
}

const sourceOf = (socket: Socket): string => socket.remoteAddress ?? '127.0.0.1';

async function dial(to: Destination, source: string): Promise<Socket> {
  const localAddress = to.ip.startsWith('127.') ? source : undefined;
  const socket = connectSocket({
    host: to.ip,
    port: to.port,
    allowHalfOpen: true,
    noDelay: true,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  try {
    await once(socket, 'connect');
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.on('error', () => socket.destroy());
  return socket;
}

// The listener exists only while the pod is in the mesh; refused means it is not. A refusal by the proxy itself is final.
async function dialMesh(source: string, to: Destination): Promise<Socket | undefined> {
  let socket: Socket;
  try {
    socket = await dial({ ip: source, port: MESH_SOCKS_PORT }, source);
  } catch {
    return undefined;
  }
  socket.write(buildConnect(to.ip, to.port));
  const answer = await readExactly(socket, 2 + 10);
  if (answer?.[3] !== SOCKS_REPLY.ok) {
    socket.destroy();
    throw new Error(`the node proxy refused with code ${answer?.[3] ?? 'none'}`);
  }
  return socket;
}

function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.once('close', () => {
      if (from.errored !== null || !from.readableEnded) to.destroy();
    });
  }
}

async function readHandshake(socket: Socket): Promise<SocksRequest | undefined> {
  let data = Buffer.alloc(0);
  let isGreeted = false;
  for await (const chunk of chunksOf(socket)) {
    data = Buffer.concat([data, chunk]);
    if (data.length > MAX_HANDSHAKE_BYTES) return undefined;
    if (!isGreeted) {
      const greeting = parseGreeting(data);
      if (greeting.kind === 'bad') return undefined;
      if (greeting.kind !== 'greeting') continue;
      isGreeted = true;
      data = data.subarray(greeting.bytes);
      socket.write(Buffer.from([5, 0]));
    }
    const parsed = parseRequest(data);
    if (parsed.kind === 'bad') return undefined;
    if (parsed.kind !== 'request') continue;
    const rest = data.subarray(parsed.request.bytes);
    if (rest.length > 0) socket.unshift(rest);
    return parsed.request;
  }
  return undefined;
}

async function readExactly(socket: Socket, bytes: number): Promise<Buffer | undefined> {
  let data = Buffer.alloc(0);
  for await (const chunk of chunksOf(socket)) {
    data = Buffer.concat([data, chunk]);
    if (data.length < bytes) continue;
    if (data.length > bytes) socket.unshift(data.subarray(bytes));
    return data.subarray(0, bytes);
  }
  return undefined;
}

// Reads piece by piece and leaves the socket paused and whole when the loop is left.
async function* chunksOf(socket: Socket): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) {
      yield chunk;
      continue;
    }
    if (socket.destroyed || socket.readableEnded) return;
    const isReadable = await Promise.race([
      once(socket, 'readable').then(
        () => true,
        () => false,
      ),
      once(socket, 'close').then(
        () => false,
        () => false,
      ),
    ]);
    if (!isReadable || socket.readableEnded) return;
  }
}

function pickEndpoint(table: readonly ServiceRoute[], to: Destination): Destination | undefined {
  const route = table.find(
    (each) => each.protocol === 'tcp' && each.port === to.port && each.addresses.includes(to.ip),
  );
  if (route !== undefined) return route.endpoints[Math.floor(Math.random() * route.endpoints.length)];
  return to.ip.startsWith('127.') ? to : undefined;
}

/** The address of a cluster name as a pod would resolve it with its search list; undefined for other names. */
export function resolveName(api: ObjectApi, name: string, podIp: string): string | undefined {
  const pod = api.list<Pod>('pods').items.find((each) => each.status?.podIP === podIp);
  const namespace = pod?.metadata.namespace ?? 'default';
  const plain = name.endsWith('.') ? name.slice(0, -1) : name;
  const candidates = [
    plain,
    `${plain}.${namespace}.svc.cluster.local`,
    `${plain}.svc.cluster.local`,
    `${plain}.cluster.local`,
  ];
  for (const candidate of candidates) {
    const { answers } = answerName(api, candidate, RECORD_TYPE.A);
    const [first] = answers;
    if (first?.type === 'A') return first.ip;
    if (first?.type === 'CNAME' && first.target !== plain) return resolveName(api, first.target, podIp);
  }
  return undefined;
}
