/**
 * Port forwarding over WebSocket in the form of @kubernetes/client-node: `?ports=` with channels 2i (data) and 2i+1
 * (error), each opening with the port (spec/local-cluster.md 7.3). kubectl's form is in port-forward-spdy.ts. Main thread.
 */

import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { badRequest } from '../status.ts';
import type { StreamRequest } from './command.ts';

const protocols = new Set([1, 2, 3, 4, 5].map((version) => `v${version}.channel.k8s.io`));

const server = new WebSocketServer({
  noServer: true,
  maxPayload: 4 * 1024 * 1024,
  perMessageDeflate: false,
  handleProtocols: (offered) => [...offered].find((name) => protocols.has(name)) ?? false,
});

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}

const send = (socket: WebSocket, channel: number, data: Buffer): void => {
  if (socket.readyState === socket.OPEN) socket.send(Buffer.concat([Buffer.from([channel]), data]));
};

async function join(
  socket: WebSocket,
  index: number,
  port: number,
  options: StreamRequest,
  signal: AbortSignal,
): Promise<Duplex | undefined> {
  const data = index * 2;
  send(socket, data, portBytes(port));
  send(socket, data + 1, portBytes(port));
  try {
    const stream = await options.streams.portForward({ pod: options.pod, port, signal });
    stream.on('data', (chunk: Buffer) => send(socket, data, chunk));
    stream.on('error', (error) => send(socket, data + 1, Buffer.from(error.message)));
    stream.on('end', () => socket.close(1000));
    return stream;
  } catch (error) {
    send(socket, data + 1, Buffer.from(error instanceof Error ? error.message : 'failed'));
    return undefined;
  }
}

/** Accepts the handshake and joins client and pod. */
export function servePortForward(options: StreamRequest): void {
  const ports = options.query
    .getAll('ports')
    .flatMap((text) => text.split(','))
    .map(Number);
  if (ports.length === 0 || ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw badRequest('query parameter "ports" is required');
  }
  server.handleUpgrade(options.request, options.socket, options.head, (socket) => {
    const gone = new AbortController();
    socket.on('error', (error) => options.log.debug('port-forward connection failed', { error: error.message }));
    const joined = ports.map(async (port, index) => join(socket, index, port, options, gone.signal));
    socket.on('message', (raw: Buffer) => {
      const id = raw[0] ?? 0;
      const stream = joined[Math.floor(id / 2)];
      if (id % 2 === 0) void stream?.then((target) => target?.write(raw.subarray(1)));
    });
    socket.on('close', () => {
      gone.abort();
      for (const stream of joined) void stream.then((target) => target?.destroy());
    });
  });
}
